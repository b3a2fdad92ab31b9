//! Every route that takes an address or a secret is limited, whichever dialect or page serves it.

use std::time::Duration;

use http::{Method, header};
use reset_http::{Route, client::Client};

use crate::{
    CLIENT, CODE_ON_PAGE, USER,
    bench::{LimitsBench, Mailed, NEW_PASSWORD, bench_that_mails, mails_open_codes},
};

/// The input of a route, which determines what bounds guessing there.
enum RouteInput {
    /// An address: reset requests are counted.
    Address(String),
    /// A code that identifies the account on its own: guesses use up a budget that all clients share.
    OpenCode(String),
    /// A code for a named address: guesses use up a budget of the address.
    AddressCode(String),
    /// A secret with a tag; nothing is looked up unless the tag is valid.
    TaggedSecret(String),
    /// As [`Self::TaggedSecret`], in the query of this target.
    TaggedSecretInQuery(String),
    /// A body without a secret: the estimates that it causes are counted.
    Estimate(&'static str),
    Nothing,
}

/// Returns what a client sends to `path`.
fn input_of_client(client: &Client, path: &str) -> Option<RouteInput> {
    if client.request.iter().any(|step| step.path == path) {
        return Some(RouteInput::Address(client.request_for(USER).body));
    }
    if let Some(exchange) = client.exchange_of(USER, "000001").filter(|exchange| exchange.path == path) {
        return Some(RouteInput::AddressCode(exchange.body));
    }
    let redeem = client.redeem.iter().find(|step| step.path == path)?;
    let body = client.fill(redeem, &client.forged, NEW_PASSWORD).body;
    Some(if mails_open_codes(client) { RouteInput::OpenCode(body) } else { RouteInput::TaggedSecret(body) })
}

/// Returns the input of a served route. A route that no client describes and that is missing here fails the test: add
/// what bounds guessing there.
fn input_of(bench: &LimitsBench, route: &Route) -> RouteInput {
    // A dialect serves the exchange of codes while it mails links, too.
    let (codes, path) = (bench_that_mails(Mailed::Codes), route.path.as_str());
    let mut clients = bench.clients().chain(codes.clients());
    if let Some(input) = clients.find_map(|client| input_of_client(client, path)) {
        return input;
    }
    let (name, tagged) = (route.dialect, format!("token={}", "a".repeat(64)));
    match path {
        "/forgot" => RouteInput::Address("email=user%40example.com".into()),
        "/reset" => RouteInput::OpenCode(CODE_ON_PAGE.into()),
        "/reset/strength" => RouteInput::Estimate("password=000001&code=000001&email=user%40example.com"),
        "/not-me" => RouteInput::TaggedSecret(tagged),
        "/api/auth/email/reset-password-link" => RouteInput::TaggedSecretInQuery(format!("{path}?{tagged}")),
        "/api/auth/public-config"
        | "/healthz"
        | "/readyz"
        | "/.well-known/change-password"
        | "/openapi.json"
        | "/openapi.yaml"
        | "/docs"
        | "/docs/swagger-ui-bundle.js"
        | "/docs/swagger-ui.css"
        | "/dialects" => RouteInput::Nothing,
        _ => panic!(
            "{path} of {name} is a new route: describe its step in crates/dialects/{name}/src/client.rs, or add what \
             bounds guessing there to input_of in crates/reset-dialects/tests/limits/routes.rs"
        ),
    }
}

/// Returns the number of guesses that the budgets of codes counted: those of open codes, and those of codes for an
/// address without an account.
fn guesses(bench: &LimitsBench) -> (Vec<usize>, Vec<usize>) {
    let (open, of_address): (Vec<&Client>, Vec<&Client>) =
        bench.clients().partition(|client| mails_open_codes(client));
    let taken = |client: &&Client, budget: &str| {
        bench.memory.store.taken(&format!("guesses.{}{budget}", client.dialect))
    };
    (
        open.iter().map(|client| taken(client, "")).collect(),
        of_address.iter().map(|client| taken(client, ".nobody")).collect(),
    )
}

async fn assert_limited(bench: &LimitsBench, dialect: &str, uri: &str, body: &str, wait: u64) {
    let answer = bench.send(CLIENT, uri, body, &[]).await;
    assert_eq!(answer.status(), 429, "{uri}");
    assert_eq!(answer.headers()[header::RETRY_AFTER], wait.to_string(), "{uri}");
    let body = std::str::from_utf8(answer.body()).unwrap();
    if dialect == "pages" {
        assert!(body.contains("<h1>Too many attempts</h1>"), "{uri}: {body}");
    } else {
        assert_eq!(body.as_bytes(), bench.too_many(dialect, Duration::from_secs(wait)), "{uri}");
    }
}

#[tokio::test]
async fn every_route_that_takes_a_secret_is_limited_with_its_dialects_429() {
    for mailed in [Mailed::Codes, Mailed::Links] {
        for route in bench_that_mails(mailed).api.routes().to_vec() {
            let bench = bench_that_mails(mailed);
            bench.account(USER).await;
            assert_route_is_limited(&bench, &route).await;
        }
    }
}

async fn assert_route_is_limited(bench: &LimitsBench, route: &Route) {
    let path = route.path.as_str();
    let input = input_of(bench, route);
    let (uri, body, free, wait) = match &input {
        RouteInput::Nothing => {
            assert!(!route.endpoints.iter().any(|endpoint| endpoint.method == Method::POST), "{path}");
            return;
        }
        RouteInput::Estimate(body) => {
            for _ in 0..60 {
                assert_eq!(bench.send(CLIENT, path, body, &[]).await.status(), 200, "{path}");
            }
            assert_limited(bench, route.dialect, path, body, 60).await;
            let (open, of_address) = guesses(bench);
            assert!(open.iter().chain(&of_address).all(|taken| *taken == 0), "{path}");
            assert_eq!(bench.memory.store.look_ups(), 0, "{path}");
            return;
        }
        RouteInput::Address(body) => (path, body.as_str(), 5, 15 * 60),
        RouteInput::OpenCode(body) => (path, body.as_str(), 5, 60 * 60),
        RouteInput::AddressCode(body) => (path, body.as_str(), 10, 15 * 60),
        RouteInput::TaggedSecret(body) => (path, body.as_str(), 60, 60 * 60),
        RouteInput::TaggedSecretInQuery(uri) => (uri.as_str(), "", 60, 60 * 60),
    };
    for number in 0..free {
        let status = bench.send(CLIENT, uri, body, &[]).await.status();
        assert_ne!(status, 429, "{uri}, request {number}");
    }
    assert_limited(bench, route.dialect, uri, body, wait).await;
    // A guess used up a budget, or it caused no lookup.
    let ((open, _), look_ups) = (guesses(bench), bench.memory.store.look_ups());
    let taken = |budget: &str| bench.memory.store.taken(&format!("guesses.{}{budget}", route.dialect));
    match input {
        // The page tries the code in every dialect that has such codes.
        RouteInput::OpenCode(_) if path == "/reset" => {
            assert!(open.iter().all(|taken| *taken == free), "{path}: {open:?}");
            // Each guess is looked up once more: the same form may have set this password a moment ago.
            assert_eq!(look_ups, 2 * free * open.len(), "{path}");
        }
        RouteInput::OpenCode(_) => assert_eq!((taken(""), look_ups), (free, free), "{path}"),
        RouteInput::AddressCode(_) => assert_eq!(taken(".nobody"), free, "{path}"),
        _ => assert_eq!((open.iter().sum::<usize>(), look_ups), (0, 0), "{path}"),
    }
}
