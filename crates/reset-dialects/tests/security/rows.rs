//! Every registered route: methods, media types, strict JSON and alternative spellings of paths (R12, R32, R36, R37,
//! R39, R42).

use http::{Method, StatusCode, header};
use reset_http::{
    ClientLimits, Route, ServeOptions,
    client::{MailedSecret, Step},
    route::EndpointKind,
};
use serde_json::{Map, Value};

use crate::bench::{
    ANN, AttackBench, BOB, NEW_PASSWORD, OLD_PASSWORD, Profile, TARGET, api, attacked, dialects,
    status_and_body, text, with_accounts,
};

/// Returns whether a route accepts JSON, as opposed to the form of a hosted page.
fn takes_json(route: &Route) -> bool {
    route.endpoint(&Method::POST).is_some_and(|endpoint| endpoint.kind != EndpointKind::Form)
}

/// Returns the routes that accept JSON: the path and a valid body.
fn json_routes(bench: &AttackBench) -> Vec<(String, String)> {
    let routes = bench.api.routes().iter().filter(|route| takes_json(route));
    routes.map(|route| (route.path.clone(), bench.valid_body(route))).collect()
}

impl AttackBench {
    /// Returns a valid body for a route that accepts JSON, as a client sends it.
    fn valid_body(&self, route: &Route) -> String {
        // A dialect serves its exchange while it mails links, too.
        let codes = attacked(Profile::Compatible);
        let mut steps = self.dialects.iter().chain(&codes).flat_map(|dialect| dialect.steps(ANN));
        let step = steps.find(|step| step.path == route.path);
        let name = route.dialect;
        step.unwrap_or_else(|| {
            panic!(
                "no client of {name} sends {}: add the step in crates/dialects/{name}/src/client.rs",
                route.path
            )
        })
        .body
    }
}

#[tokio::test]
async fn every_route_rejects_other_methods_and_lists_its_own() {
    let bench = with_accounts(Profile::Links).await;
    let methods =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "RESET", "post"];
    for route in bench.api.routes().to_vec() {
        for method in methods.map(|name| Method::from_bytes(name.as_bytes()).unwrap()) {
            if route.endpoint(&method).is_some() {
                continue;
            }
            let path = &route.path;
            let body = if takes_json(&route) { bench.valid_body(&route) } else { String::new() };
            let answer = bench.send(&method, path, &[], body).await;
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            let allow = answer.headers()[header::ALLOW].to_str().unwrap();
            let has = |method: &Method| route.endpoint(method).is_some();
            let expected = match (has(&Method::GET), has(&Method::POST)) {
                (true, true) => "GET, HEAD, POST, OPTIONS",
                (true, false) => "GET, HEAD, OPTIONS",
                (false, _) => "POST, OPTIONS",
            };
            assert_eq!(allow, expected, "{method} {path}");
        }
        let options = bench.send(&Method::OPTIONS, &route.path, &[], "").await;
        assert_eq!((options.status().as_u16(), text(&options)), (204, ""), "{}", route.path);
    }
    assert!(bench.jobs().is_empty());
}

#[tokio::test]
async fn headers_and_parameters_cannot_override_the_method() {
    for (path, body) in json_routes(&with_accounts(Profile::Links).await) {
        let bench = with_accounts(Profile::Links).await;
        for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
            let answer = bench.send(&Method::GET, &path, &[(name, "POST")], body.clone()).await;
            assert_eq!(answer.status(), 405, "{name} {path}");
        }
        let answer = bench.send(&Method::GET, &format!("{path}?_method=POST"), &[], body.clone()).await;
        assert_eq!(answer.status(), 405, "{path}");
        assert!(bench.jobs().is_empty(), "{path}");
        let plain = status_and_body(&bench.post(&path, body.clone()).await);
        let other = with_accounts(Profile::Links).await;
        let headers = [("x-http-method-override", "GET")];
        assert_eq!(status_and_body(&other.send(&Method::POST, &path, &headers, body).await), plain, "{path}");
    }
}

#[tokio::test]
async fn content_types_that_other_sites_can_post_are_rejected_unread() {
    let bench = with_accounts(Profile::Links).await;
    for route in bench.api.routes().iter().filter(|route| takes_json(route)) {
        let (path, body) = (&route.path, bench.valid_body(route));
        for kind in [
            "text/plain",
            "text/plain; charset=application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
            "text/json",
            "application/jsonp",
            "application/json-patch",
            "*/*",
            "",
        ] {
            let answer = bench.send(&Method::POST, path, &[("content-type", kind)], body.clone()).await;
            let expected = bench.dialect(route.dialect).status_of_type(kind);
            assert_eq!(answer.status(), expected, "{path} {kind:?}");
        }
    }
    assert!(bench.jobs().is_empty());
}

#[tokio::test]
async fn cors_allows_only_configured_origins() {
    let bench = with_accounts(Profile::Links).await;
    let cors =
        |answer: &http::Response<bytes::Bytes>| answer.headers().contains_key("access-control-allow-origin");
    for route in bench.api.routes().to_vec() {
        let post = takes_json(&route);
        let body = if post { bench.valid_body(&route) } else { String::new() };
        let method = if post { Method::POST } else { Method::GET };
        for origin in ["null", "https://evil.example", "https://accounts.example.com.evil.example", "*"] {
            let headers = [("origin", origin), ("access-control-request-method", "POST")];
            for method in [&method, &Method::OPTIONS] {
                let answer = bench.send(method, &route.path, &headers, body.clone()).await;
                assert!(!cors(&answer), "{origin} at {}", route.path);
                assert!(!answer.headers().contains_key("access-control-allow-credentials"));
            }
        }
    }
    // A configured origin is the only one allowed.
    let serving = ServeOptions {
        cors_origins: vec!["https://app.example.com".parse().unwrap()],
        ..ServeOptions::default()
    };
    let open = dialects(Profile::Links, &[TARGET]);
    let bench = AttackBench { api: api(&bench.resets, open, serving), ..bench };
    for (path, body) in json_routes(&bench) {
        for origin in [
            "null",
            "https://app.example.com.evil.example",
            "http://app.example.com",
            "https://APP.example.com",
        ] {
            let answer = bench.send(&Method::POST, &path, &[("origin", origin)], body.clone()).await;
            assert!(!cors(&answer) && answer.headers()[header::VARY] == "Origin", "{origin} at {path}");
        }
        let answer = bench.send(&Method::POST, &path, &[("origin", "https://app.example.com")], body).await;
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example.com");
    }
}

#[tokio::test]
async fn responses_never_repeat_submitted_values() {
    const CANARY: &str = "<script>canary</script>";
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        for (path, body) in json_routes(&bench) {
            let fields: Value = serde_json::from_str(&body).unwrap();
            for name in fields.as_object().unwrap().keys() {
                let mut fields = fields.clone();
                fields[name] = CANARY.into();
                let answer = bench.post(&path, fields.to_string()).await;
                assert!(!status_and_body(&answer).contains("canary"), "{path} {name}");
                fields[name] = serde_json::json!({ CANARY: CANARY });
                fields[CANARY] = CANARY.into();
                let answer = bench.post(&path, fields.to_string()).await;
                assert!(!status_and_body(&answer).contains("canary"), "{path} {name}");
            }
            let answer = bench.post(&format!("{path}?a=canary"), CANARY).await;
            assert!(
                !status_and_body(&answer).contains("canary")
                    && !format!("{:?}", answer.headers()).contains("canary")
            );
        }
        for (path, _) in bench.dialects.iter().flat_map(|dialect| &dialect.dialect.rows) {
            let answer = bench.get(&format!("{path}?token=canary&canary=1")).await;
            assert!(!status_and_body(&answer).contains("canary"), "{path}");
        }
    }
}

/// Variants of a valid body that are not one JSON object with exactly one interpretation.
fn ambiguous(valid: &str) -> Vec<String> {
    let fields = &valid[1..valid.len() - 1];
    let first = fields.split(':').next().unwrap();
    let deep = |depth: usize| format!(r#"{{{fields},"x":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
    vec![
        format!("[{valid}]"),
        format!("[[{valid}]]"),
        format!(r#"{{{fields},{first}:"x"}}"#),
        format!("{{{first}:null,{fields}}}"),
        deep(8),
        deep(10_000),
        format!("\u{feff}{valid}"),
        format!("{valid}{valid}"),
        format!("{valid}x"),
        format!("/* */{valid}"),
        format!("{{{fields},}}"),
        fields.to_owned(),
        format!("{{'a':1,{fields}}}"),
        format!(r#"{{{fields},"x":NaN}}"#),
        format!(r#"{{{fields},"x":01}}"#),
        format!(r#"{{{fields},"x":"\x00"}}"#),
        format!(r#"{{{fields},"x":"{}"}}"#, '\u{1}'),
        format!(r#"{{{fields},"x":"\ud800"}}"#),
        format!("{{{fields},{}}}", (0..64).map(|n| format!(r#""k{n}":{n}"#)).collect::<Vec<_>>().join(",")),
        "null".to_owned(),
        "{}".to_owned(),
        "\"".to_owned(),
    ]
}

#[tokio::test]
async fn ambiguous_bodies_are_rejected() {
    let bench = with_accounts(Profile::Links).await;
    for (path, body) in json_routes(&bench) {
        for ambiguous in ambiguous(&body) {
            let answer = bench.post(&path, ambiguous.clone()).await;
            assert_eq!(answer.status(), 400, "{path} {}", ambiguous.chars().take(200).collect::<String>());
        }
        let mut latin = body.clone().into_bytes();
        latin.truncate(latin.len() - 2);
        latin.extend(b"\xe9\"}");
        assert_eq!(bench.post(&path, latin).await.status(), 400, "{path} in Latin-1");
    }
    assert!(bench.jobs().is_empty());
}

#[tokio::test]
async fn fields_outside_the_contract_have_no_effect() {
    for dialect in &attacked(Profile::Links) {
        let bench = with_accounts(Profile::Links).await;
        let secret = bench.secret(dialect, ANN).await;
        let Step { path, body, .. } = dialect.client.redeem_with(&secret, NEW_PASSWORD);
        let extra = r#""id":2,"user_id":2,"sub":"2","role":"admin","confirmed":false,"blocked":true,"email":"bob@example.org","provider":"x""#;
        let answer = bench.post(&path, format!("{},{extra}}}", &body[..body.len() - 1])).await;
        let ignored = dialect.traits().other_fields;
        assert!(
            if ignored { answer.status().is_success() } else { answer.status() == 400 },
            "{}",
            dialect.name()
        );
        assert_eq!(bench.logs_in(ANN, NEW_PASSWORD).await, ignored, "{}", dialect.name());
        assert!(bench.logs_in(BOB, OLD_PASSWORD).await, "{}", dialect.name());
        bench.request(dialect, ANN).await;
        assert!(bench.mails().await.iter().any(|mail| !mail.secret.is_empty()), "the account is unchanged");
    }
}

#[tokio::test]
async fn secrets_in_the_query_or_a_header_are_ignored_by_operations_with_a_body() {
    for dialect in &attacked(Profile::Links) {
        let bench = with_accounts(Profile::Links).await;
        let secret = bench.secret(dialect, ANN).await;
        let Step { path, body, .. } = dialect.client.redeem_with(&secret, NEW_PASSWORD);
        let mut fields: Map<String, Value> = serde_json::from_str(&body).unwrap();
        let carried: Vec<(String, String)> = dialect
            .secret_fields()
            .into_iter()
            .map(|name| (name.clone(), fields.remove(&name).unwrap().as_str().unwrap().to_owned()))
            .collect();
        let without = Value::from(fields).to_string();
        let pairs = carried.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        let target = format!("{path}?{}&token={secret}&code={secret}", pairs.join("&"));
        let (bearer, cookie) = (format!("Bearer {secret}"), pairs.join("; "));
        let headers = [("authorization", bearer.as_str()), ("cookie", &cookie), ("x-reset-token", &secret)];
        let answer = bench.send(&Method::POST, &target, &headers, without).await;
        assert_eq!(answer.status(), 400, "{}", dialect.name());
        assert!(carried.iter().all(|(_, value)| !status_and_body(&answer).contains(value)));
        let answer = bench.reset(dialect, &secret, NEW_PASSWORD).await;
        assert!(answer.status().is_success(), "{}", dialect.name());
    }
}

#[tokio::test]
async fn get_head_and_options_change_nothing_on_any_route() {
    for dialect in &attacked(Profile::Links) {
        let bench = with_accounts(Profile::Links).await;
        let mailed = bench.mailed(dialect, ANN).await;
        let before = (bench.hash(ANN).await, bench.jobs(), bench.memory.store.tickets());
        let names = dialect.secret_fields();
        let names = names.iter().map(String::as_str).chain(["token", "code", "reset_token"]);
        let query: Vec<String> = names.map(|name| format!("{name}={mailed}")).collect();
        let mut targets: Vec<String> =
            bench.api.routes().iter().map(|route| format!("{}?{}", route.path, query.join("&"))).collect();
        if let MailedSecret::Link { .. } = dialect.client.mailed {
            targets.extend(bench.api.routes().iter().map(|route| dialect.link(&route.path, &mailed)));
        }
        for target in targets {
            for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
                for headers in
                    [[("sec-purpose", "prefetch")], [("purpose", "preview")], [("x-moz", "prefetch")]]
                {
                    for round in 0..3 {
                        bench.send(&method, &format!("{target}&round={round}"), &headers, "").await;
                    }
                }
            }
        }
        let after = (bench.hash(ANN).await, bench.jobs(), bench.memory.store.tickets());
        assert!(before == after, "{}", dialect.name());
        let answer = bench.redeem_mailed(dialect, ANN, &mailed, NEW_PASSWORD).await;
        assert!(answer.status().is_success(), "{}", dialect.name());
    }
}

#[tokio::test]
async fn alternative_path_spellings_are_unknown_or_share_the_rate_limit() {
    let variants = |path: &str| {
        let last = path.rsplit('/').next().unwrap();
        let base = &path[..path.len() - last.len()];
        vec![
            format!("/{path}"),
            path.to_ascii_uppercase(),
            format!("{path}/"),
            format!("{path}//"),
            format!("{base}/{last}"),
            format!("{base}./{last}"),
            format!("{base}x/../{last}"),
            format!("{base}%2e/{last}"),
            path.replacen('-', "%2d", 1),
            format!("{}%2f{last}", base.trim_end_matches('/')),
            format!("{path};x=1"),
            format!("{path}.json"),
            format!("{path}%00"),
            format!("{path}%20"),
            format!("{path}?"),
            format!("{path}?x=1"),
        ]
    };
    for dialect in &attacked(Profile::Links) {
        // A code without an exchange identifies the account on its own, and is the easiest to guess.
        let code = dialect.client.mailed == MailedSecret::Code && dialect.client.exchange.is_none();
        let redeem = dialect.client.redeem_with(&dialect.client.forged, NEW_PASSWORD);
        for (step, free) in [(dialect.request(ANN), 5), (redeem, if code { 5 } else { 60 })] {
            let Step { path, body, .. } = step;
            let bench = with_accounts(Profile::Links).await;
            let serving =
                ServeOptions { client_limits: Some(ClientLimits::default()), ..ServeOptions::default() };
            let all = dialects(Profile::Links, &[TARGET]);
            let bench = AttackBench { api: api(&bench.resets, all, serving), ..bench };
            let mut passed = 0;
            for _ in 0..free {
                for target in variants(&path) {
                    let status = bench.post(&target, body.clone()).await.status().as_u16();
                    passed += usize::from(![404, 429].contains(&status));
                }
            }
            assert_eq!(passed, free, "{path}");
            assert_eq!(bench.post(&path, body.clone()).await.status(), 429, "{path}");
            for target in variants(&path) {
                let status = bench.post(&target, body.clone()).await.status();
                assert!([404, 429].contains(&status.as_u16()), "{target}: {status}");
            }
        }
    }
}
