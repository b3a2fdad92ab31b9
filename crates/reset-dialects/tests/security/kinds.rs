//! Each kind of secret is accepted only by the routes that it is made for (R8).

use std::{collections::BTreeSet, rc::Rc};

use http::{Method, header};
use reset_core::budget::Budgeting;
use reset_http::{client::Step, route::EndpointKind};

use crate::{
    attacked::AttackedDialect,
    bench::{
        ANN, AttackBench, NEW_PASSWORD, OLD_PASSWORD, Profile, TARGET, attacked, bench_over, dialects,
        status_and_body, with_accounts,
    },
};

/// A request that takes a secret.
struct Consumer {
    dialect: Rc<AttackedDialect>,
    path: String,
    kind: ConsumerKind,
}

enum ConsumerKind {
    /// An exchange of a code.
    Exchange,
    /// A request that sets a password.
    Redeem(Step),
    /// A path of the dialect that its mailed links open.
    Link,
}

/// A kind of secret that a dialect issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SecretKind {
    /// What the mail carries.
    Mailed,
    /// The token that a mailed code is exchanged for.
    Exchanged,
}

impl Consumer {
    /// Returns every request that takes a secret, as the clients of the dialects describe them. A dialect that mails
    /// codes or links serves the requests for both.
    async fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for profile in [Profile::Compatible, Profile::Links] {
            let bench = with_accounts(profile).await;
            for dialect in attacked(profile).into_iter().map(Rc::new) {
                let mut add = |path: &str, kind: ConsumerKind| {
                    if !all.iter().any(|known| known.path == path) {
                        all.push(Self { dialect: dialect.clone(), path: path.to_owned(), kind });
                    }
                };
                for step in &dialect.client.redeem {
                    add(&step.path, ConsumerKind::Redeem(step.clone()));
                }
                if let Some(exchange) = &dialect.client.exchange {
                    add(&exchange.step.path, ConsumerKind::Exchange);
                }
                let mail = bench.mail(&dialect, ANN).await;
                if let Some(link) = bench.own_link(&dialect, &mail) {
                    add(link.split('?').next().unwrap(), ConsumerKind::Link);
                }
            }
        }
        all
    }

    /// Returns whether the request is made for this kind of secret of `issuer`.
    fn is_for(&self, issuer: &AttackedDialect, kind: SecretKind) -> bool {
        let exchanges = issuer.client.exchange.is_some();
        self.dialect.name() == issuer.name()
            && match self.kind {
                ConsumerKind::Exchange => exchanges && kind == SecretKind::Mailed,
                ConsumerKind::Redeem(_) => !exchanges || kind == SecretKind::Exchanged,
                ConsumerKind::Link => !exchanges && kind == SecretKind::Mailed,
            }
    }

    /// Submits `secret` and returns whether it was accepted.
    async fn accepts(&self, bench: &AttackBench, secret: &str) -> bool {
        let client = &self.dialect.client;
        let step = match &self.kind {
            ConsumerKind::Exchange => client.exchange_of(ANN, secret).unwrap(),
            ConsumerKind::Redeem(step) => client.fill(step, secret, NEW_PASSWORD),
            ConsumerKind::Link => return opens(bench, &self.dialect.link(&self.path, secret)).await,
        };
        bench.step(&step).await.status().is_success()
    }
}

/// Opens a link and returns whether it redirects to its target.
async fn opens(bench: &AttackBench, link: &str) -> bool {
    bench.get(link).await.headers().get(header::LOCATION).is_some()
}

/// Requests a reset and returns a secret of this kind.
async fn issue(bench: &AttackBench, dialect: &AttackedDialect, kind: SecretKind) -> String {
    match kind {
        SecretKind::Mailed => bench.mailed(dialect, ANN).await,
        SecretKind::Exchanged => bench.secret(dialect, ANN).await,
    }
}

#[tokio::test]
async fn every_json_route_is_a_step_of_a_client() {
    let consumers = Consumer::all().await;
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        let requests = bench.dialects.iter().flat_map(|dialect| &dialect.client.request);
        let mut known: BTreeSet<&str> = requests.map(|step| step.path.as_str()).collect();
        known.extend(consumers.iter().map(|consumer| consumer.path.as_str()));
        for route in bench.api.routes() {
            let endpoint = route.endpoint(&Method::POST);
            if endpoint.is_some_and(|endpoint| endpoint.kind != EndpointKind::Form) {
                let (path, name) = (route.path.as_str(), route.dialect);
                assert!(
                    known.contains(path),
                    "no client of {name} sends {path}: add the step in crates/dialects/{name}/src/client.rs"
                );
            }
        }
    }
}

#[tokio::test]
async fn each_kind_of_secret_is_accepted_only_by_its_own_routes() {
    let consumers = Consumer::all().await;
    for profile in Profile::ALL {
        for issuer in &attacked(profile) {
            let exchanged = issuer.client.exchange.is_some().then_some(SecretKind::Exchanged);
            for kind in [SecretKind::Mailed].into_iter().chain(exchanged) {
                let mut routes = 0;
                for consumer in &consumers {
                    let bench = with_accounts(profile).await;
                    let secret = issue(&bench, issuer, kind).await;
                    let before = bench.hash(ANN).await;
                    let accepted = consumer.accepts(&bench, &secret).await;
                    let at = format!("{profile:?}, {}, {kind:?}, at {}", issuer.name(), consumer.path);
                    assert_eq!(accepted, consumer.is_for(issuer, kind), "{at}");
                    assert!(accepted || bench.hash(ANN).await == before, "{at}");
                    routes += usize::from(accepted);
                }
                assert!(routes > 0, "{profile:?}: no route accepts {} {kind:?}", issuer.name());
            }
        }
    }
}

#[tokio::test]
async fn session_token_of_strapi_is_accepted_by_no_route() {
    let bench = with_accounts(Profile::Compatible).await;
    let strapi = bench.dialect("strapi");
    let code = bench.secret(strapi, ANN).await;
    let answer = bench.reset(strapi, &code, OLD_PASSWORD).await;
    let jwt = status_and_body(&answer).split('"').nth(3).unwrap().to_owned();
    assert_eq!(jwt.matches('.').count(), 2);
    let before = bench.hash(ANN).await;
    for consumer in Consumer::all().await {
        assert!(!consumer.accepts(&bench, &jwt).await, "{}", consumer.path);
        assert_eq!(bench.hash(ANN).await, before, "{}", consumer.path);
    }
}

#[tokio::test]
async fn exchanged_token_is_not_a_link_after_a_switch_to_links() {
    let links = with_accounts(Profile::Links).await;
    let mut checked = 0;
    for dialect in &with_accounts(Profile::Compatible).await.dialects {
        if dialect.client.exchange.is_none() {
            continue;
        }
        let mail = links.mail(links.dialect(dialect.name()), ANN).await;
        let Some(link) = links.own_link(links.dialect(dialect.name()), &mail) else { continue };
        let codes = with_accounts(Profile::Compatible).await;
        let token = codes.secret(dialect, ANN).await;
        let links = bench_over(codes.memory, || dialects(Profile::Links, &[TARGET]), Budgeting::default());
        let switched = links.dialect(dialect.name());
        assert!(!opens(&links, &switched.link(link.split('?').next().unwrap(), &token)).await);
        let answer = links.reset(switched, &token, NEW_PASSWORD).await;
        assert!(answer.status().is_success(), "the token itself remains valid");
        checked += 1;
    }
    assert!(checked > 0, "no dialect can switch from codes to links: remove this test");
}
