//! Shadow mode: the back end answers the operations of the dialects, and polyreset only compares.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use conformance::{
    clients,
    http::{Connection, RawResponse, get, post, send},
};
use http::{HeaderName, HeaderValue, Response};
use reset_core::{Resets, budget::Window, keys::Keys};
use reset_http::{
    ClassLimits, ClientLimits, Dialect, Endpoint, ServeOptions,
    client::Step,
    shadow::{Comparison, ComparisonResult, Shadow, ShadowObserver, Skipped},
};
use reset_pages::service;
use reset_testkit::memory::{Memory, Outage};

use super::{
    BackEnd, RunningServer, TIMEOUT,
    bench::{FRONT_ENDS, FrontEnd, every_dialect, root_key},
    options,
};

const STRAPI: &str = "/api/auth/forgot-password";
const STRAPI_RESET: &str = "/api/auth/reset-password";
/// A password that every policy accepts.
const PASSWORD: &str = "Correct-Horse-7-Battery";

/// The comparisons of a server.
#[derive(Default)]
struct Found(Mutex<Vec<Comparison>>);

impl ShadowObserver for Found {
    fn compared(&self, comparison: Comparison) {
        self.0.lock().unwrap().push(comparison);
    }
}

impl Found {
    /// Waits for the next comparison and takes it.
    fn next(&self) -> Comparison {
        let started = Instant::now();
        loop {
            let mut all = self.0.lock().unwrap();
            if !all.is_empty() {
                return all.remove(0);
            }
            drop(all);
            assert!(started.elapsed() < Duration::from_secs(10), "no comparison");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the next comparison and returns its result and its differences.
    fn differences(&self) -> (ComparisonResult, Vec<String>) {
        let Comparison { result, differences, .. } = self.next();
        (result, differences.into_iter().map(|difference| difference.text).collect())
    }
}

/// Starts `front_end` in shadow mode before `back_end`. `change` adapts the dialects of the duplicate.
fn shadowed(
    front_end: &FrontEnd,
    back_end: &BackEnd,
    change: impl FnOnce(&mut Vec<Dialect>),
) -> (RunningServer, Arc<Found>) {
    let found = Arc::new(Found::default());
    let upstream = Some(options(back_end.address));
    let observer = found.clone();
    let built = |memory: &Memory| {
        let mut dialects = every_dialect(&[], None);
        let policies = dialects.iter().filter_map(|dialect| dialect.policies.clone()).collect();
        let resets = Resets::new(memory.adapters().dry_run(), Keys::new(&root_key()), policies, true);
        change(&mut dialects);
        let one = vec![Window::new(1, Duration::from_secs(900))];
        let requests = ClassLimits { client: one, network: Vec::new() };
        let limits = ClientLimits { requests, ..ClientLimits::default() };
        let options = ServeOptions { upstream, client_limits: Some(limits), ..ServeOptions::default() };
        let shadow = Shadow::new(resets, dialects, options.clone(), service::HEALTH_PATHS, observer);
        ServeOptions { shadow: Some(Arc::new(shadow)), ..options }
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    (RunningServer::start_built(front_end, every_dialect(&[], None), any, built), found)
}

/// Runs `test` with each server in shadow mode before a back end of its own.
fn with_each(test: impl Fn(&RunningServer, &BackEnd, &Found)) {
    for front_end in FRONT_ENDS {
        println!("{}", front_end.0);
        let back_end = BackEnd::start();
        let (server, found) = shadowed(front_end, &back_end, |_| ());
        test(&server, &back_end, &found);
    }
}

fn json(status: u16, body: impl Into<Bytes>, headers: &[(&'static str, &'static str)]) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status.try_into().unwrap();
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        response.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Returns the response of polyreset as one of a back end.
fn as_theirs(own: &RawResponse) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(own.body.clone()));
    *response.status_mut() = own.status.try_into().unwrap();
    for (name, value) in own.headers.iter().filter(|(name, _)| name != "content-length" && name != "date") {
        response
            .headers_mut()
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    response
}

/// Checks that polyreset has stored, mailed and counted nothing.
fn assert_untouched(server: &RunningServer) {
    let store = &server.memory.store;
    assert_eq!((store.jobs().len(), store.tickets().len(), store.events().len()), (0, 0, 0));
    assert_eq!(server.memory.mailer.take().len(), 0);
}

#[test]
fn client_gets_the_bytes_of_the_back_end_and_polyreset_does_nothing() {
    with_each(|server, back_end, found| {
        let (body, headers) =
            (r#"{"theirs": [1,  2] }"#, [("x-theirs", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]);
        for client in clients::all() {
            let requested = client.request_for("user@example.com");
            let exchanged = client.exchange_of("user@example.com", "123456");
            let redeemed = client.redeem_with(&client.forged, PASSWORD);
            for step in [Some(requested), exchanged, Some(redeemed)].into_iter().flatten() {
                back_end.answer(&step.path, json(418, body, &headers));
                // More often than the limit of a client allows.
                for _ in 0..3 {
                    let answer = send(server.address, &step).unwrap();
                    assert_eq!((answer.status, answer.body.as_str()), (418, body), "{}", step.path);
                    let mut names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
                    names.sort_unstable();
                    assert_eq!(
                        names,
                        ["content-length", "content-type", "date", "set-cookie", "set-cookie", "x-theirs"]
                    );
                    let comparison = found.next();
                    assert_eq!(
                        (comparison.dialect, comparison.route.as_str()),
                        (client.dialect, step.path.as_str())
                    );
                    let first = comparison.differences.first().map_or("", |first| first.text.as_str());
                    assert!(
                        first.ends_with(" instead of 418") && !first.contains("429"),
                        "a status other than that of a limit: {comparison:?}"
                    );
                }
                assert_eq!(back_end.last().body, step.body.len());
            }
        }
        assert_untouched(server);
        assert_eq!(found.0.lock().unwrap().len(), 0);
    });
}

#[test]
fn hosted_pages_and_documents_belong_to_the_back_end_and_health_to_polyreset() {
    with_each(|server, back_end, found| {
        for path in ["/forgot", "/reset", "/docs", "/.well-known/change-password", "/api/auth/public-config"]
        {
            let theirs = get(server.address, path).unwrap();
            assert_eq!(theirs.status, 200);
            assert_eq!(back_end.last().target, path);
        }
        let form = post(server.address, "/forgot", "email=user%40example.com").unwrap();
        assert_eq!(form.body, "back end: POST /forgot");
        let before = back_end.seen().len();
        assert_eq!(get(server.address, "/healthz").unwrap().status, 200);
        assert_eq!(get(server.address, "/readyz").unwrap().status, 200);
        assert_eq!(back_end.seen().len(), before);
        let preflight = format!(
            "OPTIONS {STRAPI} HTTP/1.1\r\nhost: a\r\norigin: https://app.example.com\r\n\
             access-control-request-method: POST\r\n\r\n"
        );
        let preflight = Connection::open(server.address).unwrap().send(preflight.as_bytes()).unwrap();
        assert_eq!(preflight.header("access-control-max-age"), Some("86400"));
        assert_untouched(server);
        assert_eq!(found.0.lock().unwrap().len(), 0, "none of these is compared");
    });
}

#[test]
fn differences_of_status_fields_types_and_headers_are_found() {
    let step = Step::new("forgotPasswordV4", STRAPI, r#"{"email":"user@example.com"}"#);
    with_each(|server, back_end, found| {
        back_end.answer(STRAPI, json(404, "{}", &[]));
        send(server.address, &step).unwrap();
        assert_eq!(
            found.differences(),
            (ComparisonResult::Different, vec!["status 200 instead of 404".to_owned()])
        );
        back_end.answer(STRAPI, json(200, r#"{"sent":{"at":1},"ok":1}"#, &[("x-theirs", "1")]));
        send(server.address, &step).unwrap();
        let (result, texts) = found.differences();
        assert_eq!(result, ComparisonResult::Different);
        for text in [
            "body lacks sent",
            "body ok is boolean instead of number",
            "header x-reset-reference only here",
            "header x-theirs only there",
        ] {
            assert!(texts.iter().any(|found| found == text), "{text} is not in {texts:?}");
        }
        let mut page = Response::new(Bytes::from_static(b"<p>sent"));
        page.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
        back_end.answer(STRAPI, page);
        send(server.address, &step).unwrap();
        assert_eq!(found.differences().1[0], "body is JSON instead of HTML");
    });
}

#[test]
fn equal_responses_of_every_dialect_are_the_same() {
    for front_end in FRONT_ENDS {
        let alone = RunningServer::start(front_end, every_dialect(&[], None));
        let back_end = BackEnd::start();
        let (server, found) = shadowed(front_end, &back_end, |_| ());
        for client in clients::all() {
            let weak = client.redeem_with(&client.forged, "a");
            let forged = client.redeem_with(&client.forged, PASSWORD);
            for step in [client.request_for("user@example.com"), weak, forged] {
                let own = send(alone.address, &step).unwrap();
                back_end.answer(&step.path, as_theirs(&own));
                send(server.address, &step).unwrap();
                assert_eq!(
                    found.differences(),
                    (ComparisonResult::Same, Vec::new()),
                    "{} {}",
                    step.path,
                    step.body
                );
            }
        }
        assert_untouched(&server);
    }
}

#[test]
fn secret_that_only_the_back_end_knows_is_not_comparable_and_a_weak_password_is_a_difference() {
    with_each(|server, back_end, found| {
        for client in clients::all() {
            let exchanged = client.exchange_of("user@example.com", "123456");
            for step in exchanged.into_iter().chain([client.redeem_with(&client.forged, PASSWORD)]) {
                back_end.answer(&step.path, json(200, r#"{"ok":true}"#, &[]));
                assert_eq!(send(server.address, &step).unwrap().status, 200);
                assert_eq!(
                    found.differences(),
                    (ComparisonResult::SecretUnknown, Vec::new()),
                    "{}",
                    step.path
                );
            }
            send(server.address, &client.redeem_with(&client.forged, "a")).unwrap();
            let (result, texts) = found.differences();
            assert_eq!(result, ComparisonResult::Different, "{}: {texts:?}", client.dialect);
            assert!(texts[0].starts_with("status 4") && texts[0].ends_with(" instead of 200"), "{texts:?}");
        }
        assert_untouched(server);
    });
}

#[test]
fn finding_holds_no_value_of_a_request_or_a_response() {
    with_each(|server, back_end, found| {
        let body = r#"{"ok":true,"user@example.com":1,"Canary-Password":2,"c4n4ry77":{"x":1},"returnedvalue":3,
                       "jwt":"returnedvalue","plain":{"nested":"ReturnedValue2"}}"#;
        back_end.answer(STRAPI_RESET, json(400, body, &[("canary-password", "1"), ("x-plain", "canary")]));
        let request =
            r#"{"code":"c4n4ry77","password":"Canary-Password","passwordConfirmation":"Canary-Password"}"#;
        post(server.address, STRAPI_RESET, request).unwrap();
        let (_, texts) = found.differences();
        let all = texts.join("\n").to_lowercase();
        assert!(all.contains("body lacks (hidden)") && all.contains("body lacks plain"), "{all}");
        assert!(all.contains("header x-plain only there"), "{all}");
        for canary in ["user@example.com", "canary", "c4n4ry77", "returnedvalue"] {
            assert!(!all.contains(canary), "{canary} is in {all}");
        }
    });
}

#[test]
fn slow_or_failing_comparison_delays_no_client() {
    for front_end in FRONT_ENDS {
        let back_end = BackEnd::start();
        back_end.answer(STRAPI, json(200, r#"{"ok":true}"#, &[]));
        let step = Step::new("forgotPasswordV4", STRAPI, r#"{"email":"user@example.com"}"#);
        let (server, found) = shadowed(front_end, &back_end, |_| ());
        server.memory.store.set_outage(Outage::Everything);
        let px0 = clients::named("px0").request_for("user@example.com");
        back_end.answer(&px0.path, json(200, r#"{"ok":true}"#, &[]));
        assert_eq!(send(server.address, &px0).unwrap().status, 200);
        assert_eq!(found.next().result, ComparisonResult::Skipped(Skipped::Failed));
        let (server, found) = shadowed(front_end, &back_end, |dialects| {
            let rows = dialects.iter_mut().flat_map(|dialect| &mut dialect.rows);
            for (_, endpoints) in rows.filter(|(path, _)| path == STRAPI) {
                let slow = async |_: Arc<()>, _| {
                    tokio::time::sleep(Duration::from_secs(12)).await;
                    Ok::<_, Response<Bytes>>(Response::new(Bytes::new()))
                };
                let (method, kind) = (endpoints[0].method.clone(), endpoints[0].kind);
                *endpoints = vec![Endpoint::new(method, kind, &Arc::new(()), slow)];
            }
        });
        let mut connection = Connection::open(server.address).unwrap();
        for _ in 0..40 {
            let begun = Instant::now();
            assert_eq!(connection.post(&step.path, &step.body).unwrap().body, r#"{"ok":true}"#);
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        }
        let busy = found.next();
        assert_eq!(
            busy.result,
            ComparisonResult::Skipped(Skipped::Busy),
            "the number of comparisons is bounded"
        );
    }
}

#[test]
fn large_and_compressed_bodies_and_limited_clients_are_passed_on_and_not_compared() {
    with_each(|server, back_end, found| {
        let large = format!(r#"{{"email":"{}"}}"#, "a".repeat(100 * 1024));
        back_end.answer(STRAPI, json(200, r#"{"ok":true}"#, &[]));
        assert_eq!(post(server.address, STRAPI, &large).unwrap().body, r#"{"ok":true}"#);
        assert_eq!(back_end.last().body, large.len());
        assert_eq!(found.next().result, ComparisonResult::Skipped(Skipped::RequestTooLarge));
        let small = r#"{"email":"user@example.com"}"#;
        back_end.answer(STRAPI, json(200, vec![b'1'; 300 * 1024], &[]));
        assert_eq!(post(server.address, STRAPI, small).unwrap().body.len(), 300 * 1024);
        assert_eq!(found.next().result, ComparisonResult::Skipped(Skipped::ResponseTooLarge));
        back_end.answer(STRAPI, json(200, "deflated", &[("content-encoding", "br")]));
        assert_eq!(post(server.address, STRAPI, small).unwrap().body, "deflated");
        assert_eq!(found.next().result, ComparisonResult::Skipped(Skipped::Compressed));
        back_end.answer(STRAPI, json(429, "{}", &[]));
        assert_eq!(post(server.address, STRAPI, small).unwrap().status, 429);
        assert_eq!(found.next().result, ComparisonResult::Skipped(Skipped::Limited));
    });
}

#[test]
fn back_end_that_does_not_answer_is_a_gateway_error_and_not_a_difference() {
    for front_end in FRONT_ENDS {
        let back_end = BackEnd::start();
        let (server, found) = shadowed(front_end, &back_end, |_| ());
        drop(back_end);
        let body = r#"{"email":"user@example.com"}"#;
        let answer = post(server.address, STRAPI, body).unwrap();
        assert!([502, 504].contains(&answer.status), "{} after {TIMEOUT:?}", answer.status);
        assert_eq!(found.next().result, ComparisonResult::Skipped(Skipped::Incomplete));
        assert_untouched(&server);
    }
}
