//! Every registered route: methods, media types, strict JSON and alternative spellings of paths (R12, R32, R36, R37,
//! R39, R42).

use http::{Method, StatusCode, header};
use reset_dialects::{Api, ClientLimits, Route, ServeOptions, dialects, route::EndpointKind};

use crate::bench::{
    ANN, AttackBench, DIALECTS, EXCHANGE, INSFORGE, LINK, NEW_PASSWORD, OLD_PASSWORD, Profile, TARGET,
    settings, status_and_body, text, with_accounts,
};

/// Returns whether a route accepts JSON, as opposed to the form of a hosted page.
fn takes_json(route: &Route) -> bool {
    route.endpoint(&Method::POST).is_some_and(|endpoint| endpoint.kind != EndpointKind::Form)
}

/// Returns the routes that accept JSON: the path and a valid body.
fn json_routes(bench: &AttackBench) -> Vec<(String, String)> {
    let routes = bench.api.routes().iter().filter(|route| takes_json(route));
    routes.map(|route| (route.path.clone(), valid_body(&route.path))).collect()
}

fn valid_body(path: &str) -> String {
    let is = |other: &str| path == other || format!("/api{path}") == other;
    if let Some(dialect) = DIALECTS.iter().find(|dialect| is(dialect.trigger)) {
        return dialect.request_body(ANN);
    }
    if let Some(dialect) = DIALECTS.iter().find(|dialect| is(dialect.reset)) {
        return (dialect.body)("000000", NEW_PASSWORD);
    }
    assert_eq!(path, EXCHANGE, "new route: add a valid body for it");
    format!(r#"{{"email":"{ANN}","code":"000000"}}"#)
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
            let body = if takes_json(&route) { valid_body(path) } else { String::new() };
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
    for (path, body) in json_routes(&bench) {
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
            let answer = bench.send(&Method::POST, &path, &[("content-type", kind)], body.clone()).await;
            assert_eq!(answer.status(), 415, "{path} {kind:?}");
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
        let body = if post { valid_body(&route.path) } else { String::new() };
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
    let open = settings(Profile::Links, &[TARGET]);
    let bench = AttackBench { api: Api::new(bench.resets.clone(), dialects(open), serving), ..bench };
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
            let fields: serde_json::Value = serde_json::from_str(&body).unwrap();
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
        let answer = bench.get(&format!("{LINK}?token=canary&canary=1")).await;
        assert!(!status_and_body(&answer).contains("canary"));
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
    for dialect in &DIALECTS {
        let bench = with_accounts(Profile::Links).await;
        let secret = bench.secret(dialect, ANN).await;
        let body = (dialect.body)(&secret, NEW_PASSWORD);
        let extra = r#""id":2,"user_id":2,"sub":"2","role":"admin","confirmed":false,"blocked":true,"email":"bob@example.org","provider":"x""#;
        let answer = bench.post(dialect.reset, format!("{},{extra}}}", &body[..body.len() - 1])).await;
        // worthai and Strapi reject unknown fields, px0 and InsForge ignore them.
        let strict = ["worthai", "strapi"].contains(&dialect.name);
        assert_eq!(answer.status().as_u16(), if strict { 400 } else { 200 }, "{}", dialect.name);
        assert_eq!(bench.logs_in(ANN, NEW_PASSWORD).await, !strict, "{}", dialect.name);
        assert!(bench.logs_in("bob@example.org", OLD_PASSWORD).await, "{}", dialect.name);
        bench.post(dialect.trigger, dialect.request_body(ANN)).await;
        assert!(bench.mails().await.iter().any(|mail| !mail.secret.is_empty()), "the account is unchanged");
    }
}

#[tokio::test]
async fn secrets_in_the_query_or_a_header_are_ignored_by_operations_with_a_body() {
    for dialect in &DIALECTS {
        let bench = with_accounts(Profile::Links).await;
        let secret = bench.secret(dialect, ANN).await;
        let [field, _] = dialect.fields;
        let pair = format!(r#""{field}":"{secret}","#);
        let without = (dialect.body)(&secret, NEW_PASSWORD).replace(&pair, "");
        assert!(!without.contains(&secret));
        let target = format!("{}?{field}={secret}&token={secret}&code={secret}", dialect.reset);
        let bearer = format!("Bearer {secret}");
        let cookie = format!("{field}={secret}");
        let headers = [("authorization", bearer.as_str()), ("cookie", &cookie), ("x-reset-token", &secret)];
        let answer = bench.send(&Method::POST, &target, &headers, without).await;
        assert_eq!(answer.status(), 400, "{}", dialect.name);
        assert!(!status_and_body(&answer).contains(&secret));
        assert_eq!(bench.reset(dialect, &secret, NEW_PASSWORD).await.status(), 200, "{}", dialect.name);
    }
}

#[tokio::test]
async fn get_head_and_options_change_nothing_on_any_route() {
    let bench = with_accounts(Profile::Links).await;
    let token = bench.secret(&DIALECTS[INSFORGE], ANN).await;
    let before = (bench.hash(ANN).await, bench.jobs(), bench.memory.store.tickets());
    for route in bench.api.routes().to_vec() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            for headers in [[("sec-purpose", "prefetch")], [("purpose", "preview")], [("x-moz", "prefetch")]]
            {
                for round in 0..3 {
                    let target = format!(
                        "{}?token={token}&code={token}&reset_token={token}&round={round}",
                        route.path
                    );
                    bench.send(&method, &target, &headers, "").await;
                }
            }
        }
    }
    let after = (bench.hash(ANN).await, bench.jobs(), bench.memory.store.tickets());
    assert!(before == after);
    assert_eq!(bench.reset(&DIALECTS[INSFORGE], &token, NEW_PASSWORD).await.status(), 200);
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
    for dialect in &DIALECTS {
        for (path, body, free) in [
            (dialect.trigger, dialect.request_body(ANN), 5),
            (
                dialect.reset,
                (dialect.body)("000000", NEW_PASSWORD),
                if dialect.name == "px0" { 5 } else { 60 },
            ),
        ] {
            let bench = with_accounts(Profile::Links).await;
            let serving =
                ServeOptions { client_limits: Some(ClientLimits::default()), ..ServeOptions::default() };
            let all = dialects(settings(Profile::Links, &[TARGET]));
            let bench = AttackBench { api: Api::new(bench.resets.clone(), all, serving), ..bench };
            let mut passed = 0;
            for _ in 0..free {
                for target in variants(path) {
                    let status = bench.post(&target, body.clone()).await.status().as_u16();
                    passed += usize::from(![404, 429].contains(&status));
                }
            }
            assert_eq!(passed, free, "{path}");
            assert_eq!(bench.post(path, body.clone()).await.status(), 429, "{path}");
            for target in variants(path) {
                let status = bench.post(&target, body.clone()).await.status();
                assert!([404, 429].contains(&status.as_u16()), "{target}: {status}");
            }
        }
    }
}
