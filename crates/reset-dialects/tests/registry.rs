//! The registry: every dialect is complete, can be switched on and off, and its client description completes a reset.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod support;

use std::{collections::BTreeSet, path::Path};

use bytes::Bytes;
use http::{Request, Response, header};
use reset_core::{
    Resets,
    account::NewAccount,
    budget::Budgeting,
    email::EmailAddress,
    keys::{HmacKey, Keyring, Keys},
    password::{NewPassword, PASSWORD_MAX, Policy},
    ports::Accounts as _,
};
use reset_dialects::MODULES;
use reset_http::{
    Api, Deployment, DialectModule, ServeOptions,
    client::{Client, MailedSecret, Step},
    route::Dialect,
};
use reset_settings::{DefaultValue, Inputs, KeyTable, PROFILE};
use reset_testkit::memory::Memory;

const PUBLIC_URL: &str = "https://accounts.example.com";
const ANN: &str = "ann@example.org";
const OLD_PASSWORD: &str = "the old password";
const NEW_PASSWORD: &str = "NewSecretPassword123!";

fn root() -> HmacKey {
    HmacKey::root(&[9; 32]).unwrap()
}

/// Returns every dialect with further settings, or the error.
fn with(further: &[(&str, &str)]) -> anyhow::Result<Vec<Dialect>> {
    let mut settings: Vec<(&str, &str)> = reset_dialects::all_on();
    settings.extend(further);
    reset_dialects::with(&settings, &root(), PUBLIC_URL)
}

fn error(served: anyhow::Result<Vec<Dialect>>) -> String {
    served.err().unwrap().to_string()
}

fn policy() -> Policy {
    Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX }
}

/// Returns the dialects of a deployment with these settings and without the hosted pages.
fn without_pages(settings: &[(&str, &str)]) -> anyhow::Result<Vec<Dialect>> {
    let flags = settings.iter().map(|(name, value)| ("a test", (*name).to_owned(), (*value).to_owned()));
    let keys = [PROFILE.setting()].into_iter().chain(MODULES.iter().flat_map(|module| module.keys).copied());
    let values = Inputs { flags: flags.collect(), ..Inputs::default() }.read(&KeyTable::new(keys)).unwrap();
    reset_dialects::served(&Deployment {
        values: &values,
        public_url: PUBLIC_URL,
        roots: &Keyring::from(root()),
        policy: policy(),
        limited: true,
        budgeting: &Budgeting::default(),
        pages: false,
    })
}

/// Returns the settings that switch on `module` and no other dialect.
fn only(module: &DialectModule) -> Vec<(&'static str, &'static str)> {
    let on = |other: &DialectModule| if other.name == module.name { "true" } else { "false" };
    MODULES.iter().map(|other| (other.enabled.name, on(other))).collect()
}

#[test]
fn default_settings_of_every_dialect_are_valid() {
    let names: Vec<&str> = reset_dialects::names().collect();
    let served: Vec<&str> = with(&[]).unwrap().iter().map(|dialect| dialect.name).collect();
    assert_eq!(served, names);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "two dialects have one name");
}

#[test]
fn settings_of_a_dialect_are_in_its_own_section() {
    for module in MODULES {
        let keys: Vec<&str> = module.keys.iter().map(|key| key.name).collect();
        assert_eq!(module.enabled.name, format!("{}.enabled", module.name));
        for own in ["enabled", "base_path"] {
            let own = format!("{}.{own}", module.name);
            assert!(keys.contains(&own.as_str()), "{own} is missing in crates/dialects/{}", module.name);
        }
        for key in module.keys {
            let section = key.section();
            assert!([module.name, "limits"].contains(&section), "{} is not in [{}]", key.name, module.name);
        }
    }
}

#[test]
fn every_dialect_has_all_that_tools_and_tests_need() {
    for dialect in with(&[]).unwrap() {
        let (name, folder) = (dialect.name, format!("crates/dialects/{}", dialect.name));
        let client = dialect.client.unwrap_or_else(|| {
            panic!("{name} has no client: describe how clients speak it in {folder}/src/client.rs")
        });
        assert_eq!(client.dialect, name);
        assert!(!client.request.is_empty() && !client.redeem.is_empty(), "{name}: {folder}/src/client.rs");
        let traits = dialect.traits.unwrap_or_else(|| {
            panic!("{name} has no traits: state the facts for the comparison in {folder}/src/lib.rs")
        });
        assert_eq!(traits.title, client.title, "{name} has two titles");
        assert!(dialect.policies.is_some(), "{name} mails nothing: set its policies in {folder}/src/lib.rs");
        assert!(
            !dialect.redemptions.is_empty(),
            "the hosted page cannot take secrets of {name}: add its redemptions in {folder}/src/lib.rs"
        );
        let security = dialect.security;
        let bound = security.bound.unwrap_or_else(|| {
            panic!("{name} states no bound for guessing: set security.bound in {folder}/src/settings.rs")
        });
        assert!(bound.starts_with(&format!("{name}: ")), "{bound}");
        assert!(
            !security.lifetimes.is_empty(),
            "{name} states no lifetime: set security.lifetimes in {folder}/src/settings.rs"
        );
        for weakness in &security.weaknesses {
            let number = weakness.strip_prefix('R').and_then(|text| text.split(": ").next());
            assert!(number.is_some_and(|number| number.parse::<u8>().is_ok()), "{name}: {weakness}");
        }
    }
}

#[test]
fn every_dialect_has_recorded_cases() {
    for name in reset_dialects::names() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialects").join(name).join("cases");
        let files = std::fs::read_dir(&folder).map(|files| files.flatten().collect::<Vec<_>>());
        let cases = files.unwrap_or_default().iter().any(|file| {
            file.path().extension().is_some_and(|ending| ending == "http")
                && std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains("### "))
        });
        assert!(cases, "{name} has no recorded cases: add crates/dialects/{name}/cases/{name}.http");
    }
}

#[test]
fn disabled_dialect_serves_no_route_and_sends_no_mail() {
    for module in MODULES {
        let all = with(&[]).unwrap();
        let own = all.iter().find(|dialect| dialect.name == module.name).unwrap();
        let others = with(&[(module.enabled.name, "false")]).unwrap();
        assert_eq!(others.len() + 1, all.len(), "{}", module.name);
        assert!(others.iter().all(|other| other.name != module.name), "{}", module.name);
        for (path, _) in &own.rows {
            let served = others.iter().any(|other| other.rows.iter().any(|(known, _)| known == path));
            assert!(!served, "{} is off, and {path} is served", module.name);
        }
        let mut policies = others.iter().filter_map(|other| other.policies.as_ref());
        assert!(policies.all(|policies| policies.dialect != module.name), "{}", module.name);
        let mut redemptions = others.iter().flat_map(|other| &other.redemptions);
        assert!(redemptions.all(|redemption| redemption.dialect != module.name), "{}", module.name);
    }
}

#[test]
fn wrong_setting_of_a_disabled_dialect_is_reported() {
    for module in MODULES {
        let base = format!("{}.base_path", module.name);
        let error = error(with(&[(module.enabled.name, "false"), (&base, "no path")]));
        assert!(error.contains(&base), "{error}");
    }
}

#[test]
fn path_collision_names_both_dialects_and_their_settings() {
    let dialects = with(&[]).unwrap();
    for module in MODULES {
        // Two dialects can only collide if one's paths, below some base path, are the other's.
        let own = dialects.iter().find(|dialect| dialect.name == module.name).unwrap();
        for other in dialects.iter().filter(|other| other.name != module.name) {
            let Some(base) = collision(own, other) else { continue };
            let setting = format!("{}.base_path", module.name);
            let error = error(with(&[(&setting, &base)]));
            for named in [setting, format!("{}.base_path", other.name)] {
                assert!(error.contains(&named), "{error}");
            }
        }
    }
    let error = error(with(&[("worthai.base_path", "/auth"), ("strapi.base_path", "")]));
    assert_eq!(
        error,
        "worthai and strapi both have the path /auth/forgot-password: change worthai.base_path or strapi.base_path"
    );
}

/// Returns the base path for which a path of `own` is one of `other`.
fn collision(own: &Dialect, other: &Dialect) -> Option<String> {
    let rests = own.rows.iter().filter_map(|(path, _)| path.strip_prefix(&own.base.served));
    let pairs = rests.flat_map(|rest| other.rows.iter().map(move |(path, _)| (rest, path)));
    pairs.into_iter().find_map(|(rest, path)| path.strip_suffix(rest)).map(str::to_owned)
}

#[test]
fn dialect_whose_links_need_a_page_is_refused_without_the_hosted_pages() {
    for module in MODULES {
        let settings = only(module);
        let dialects = reset_dialects::with(&settings, &root(), PUBLIC_URL).unwrap();
        let Some(page) = dialects[0].needs_page else {
            assert_eq!(without_pages(&settings).unwrap().len(), 1, "{} needs no page", module.name);
            continue;
        };
        assert!(matches!(page.default, DefaultValue::Page(_)), "{}", page.name);
        let error = error(without_pages(&settings));
        for named in ["pages.enabled", module.name, page.name, module.enabled.name] {
            assert!(error.contains(named), "{error}");
        }
        // Its own page, or no such dialect.
        let own = [&settings[..], &[(page.name, "https://app.example.com/reset")]].concat();
        assert_eq!(without_pages(&own).unwrap().len(), 1);
        let off: Vec<_> = MODULES.iter().map(|other| (other.enabled.name, "false")).collect();
        assert!(without_pages(&off).unwrap().is_empty());
    }
}

#[test]
fn unknown_setting_is_refused() {
    let error = error(with(&[("px0.code_tll", "10m")]));
    assert!(error.contains("px0.code_tll"), "{error}");
}

/// Every dialect of the registry with in-memory adapters and one account, Ann's.
struct Bench {
    memory: Memory,
    api: Api,
    resets: Resets,
    dialects: Vec<Dialect>,
}

impl Bench {
    async fn new(further: &[(&str, &str)]) -> Self {
        let (memory, served) = (Memory::new(4), with(further).unwrap());
        let policies = served.iter().filter_map(|dialect| dialect.policies.clone()).collect();
        let resets = Resets::new(memory.adapters(), Keys::new(&root()), policies, false);
        let api = Api::new(resets.clone(), served, ServeOptions::default());
        let adapters = resets.adapters();
        let account = NewAccount {
            email: ANN.to_owned(),
            username: None,
            name: None,
            locale: None,
            password_hash: adapters.hasher.hash(password(OLD_PASSWORD), None).await.unwrap(),
            created_at: adapters.clock.now(),
        };
        memory.store.add_account(&address(), account).await.unwrap();
        Self { memory, api, resets, dialects: with(further).unwrap() }
    }

    async fn step(&self, step: &Step) -> Response<Bytes> {
        let request = Request::post(&step.path).header(header::CONTENT_TYPE, "application/json");
        self.api.perform(request.body(Bytes::from(step.body.clone())).unwrap()).await
    }

    async fn logs_in(&self, text: &str) -> bool {
        let account = self.memory.store.account_by_email(&address()).await.unwrap().unwrap();
        let stored = self.memory.store.password_hash(&account.id).await.unwrap().unwrap();
        self.resets.adapters().hasher.verify(password(text), &stored).await.unwrap()
    }

    /// Requests a reset by `step` and returns the secret of the only mail.
    async fn mailed(&self, client: &Client, step: &Step) -> String {
        assert!(self.step(step).await.status().is_success(), "{} {}", client.dialect, step.path);
        for job in self.resets.claim(10).await.unwrap() {
            self.resets.deliver(&job).await.unwrap();
        }
        let mails = self.memory.mailer.take();
        let mut secrets = mails.iter().filter(|mail| !mail.secret.is_empty());
        let (Some(mail), None) = (secrets.next(), secrets.next()) else { panic!("one mail: {mails:?}") };
        match client.mailed {
            MailedSecret::Code => mail.secret.clone(),
            MailedSecret::Link { .. } => client
                .secret_in(&mail.secret)
                .unwrap_or_else(|| panic!("{} finds no secret in {}", client.dialect, mail.secret)),
        }
    }

    /// Requests a reset by `step` and returns the secret that redeems.
    async fn secret(&self, client: &Client, step: &Step) -> String {
        let mailed = self.mailed(client, step).await;
        let Some(exchange) = client.exchange_of(ANN, &mailed) else { return mailed };
        let answer = self.step(&exchange).await;
        let body = std::str::from_utf8(answer.body()).unwrap();
        client.token_in(body).unwrap_or_else(|| panic!("{} finds no token in {body}", client.dialect))
    }
}

fn address() -> EmailAddress {
    EmailAddress::parse(ANN).unwrap()
}

fn password(text: &str) -> NewPassword {
    Policy { refuse_common: false, ..policy() }.accept(text).unwrap()
}

/// The settings under which every client is tested: defaults, links where codes are the default, profile `hardened`.
fn deployments() -> Vec<Vec<(&'static str, &'static str)>> {
    let redirecting = || support::redirecting_to("https://app.example.com/reset");
    vec![
        Vec::new(),
        [support::mailing_links(), redirecting()].concat(),
        [vec![("profile", "hardened")], redirecting()].concat(),
    ]
}

#[tokio::test]
async fn client_description_of_every_dialect_completes_a_reset() {
    for deployment in deployments() {
        for dialect in with(&deployment).unwrap() {
            let client = dialect.client.unwrap();
            let exchange = client.exchange.is_some();
            for request in &client.request {
                for redeem in &client.redeem {
                    let name = format!("{deployment:?} {} {}", request.path, redeem.path);
                    let bench = Bench::new(&deployment).await;
                    let request = request.with(reset_http::client::EMAIL, ANN);
                    let secret = bench.secret(&client, &request).await;
                    assert!(bench.logs_in(OLD_PASSWORD).await, "{name}");
                    let redeem = client.fill(redeem, &secret, NEW_PASSWORD);
                    let answer = bench.step(&redeem).await;
                    assert!(answer.status().is_success(), "{name} {:?}", answer.body());
                    assert!(
                        bench.logs_in(NEW_PASSWORD).await && !bench.logs_in(OLD_PASSWORD).await,
                        "{name}"
                    );
                    let again = bench.step(&redeem).await;
                    assert_eq!(again.status(), client.refused, "{name} a second time, exchange {exchange}");
                }
            }
        }
    }
}

#[tokio::test]
async fn secret_that_was_never_issued_is_refused_as_the_dialect_states() {
    for deployment in deployments() {
        let bench = Bench::new(&deployment).await;
        for dialect in &bench.dialects {
            let (client, traits) = (dialect.client.as_ref().unwrap(), dialect.traits.as_ref().unwrap());
            let answer = bench.step(&client.redeem_with(&client.forged, NEW_PASSWORD)).await;
            let stated = traits
                .forged
                .iter()
                .any(|forged| (forged.status(), forged.body()) == (answer.status(), answer.body()));
            assert!(stated, "{deployment:?} {}: {answer:?} is not in its traits", dialect.name);
        }
        assert!(bench.logs_in(OLD_PASSWORD).await);
    }
}

#[tokio::test]
async fn unknown_address_is_answered_like_a_known_one_or_as_the_client_states() {
    for deployment in deployments() {
        let bench = Bench::new(&deployment).await;
        for dialect in &bench.dialects {
            let (name, client) = (dialect.name, dialect.client.as_ref().unwrap());
            let known = bench.step(&client.request_for(ANN)).await;
            let unknown = bench.step(&client.request_for("ghost@example.org")).await;
            let traits = dialect.traits.as_ref().unwrap();
            assert_eq!(client.discloses.is_some(), traits.unknown.is_some(), "{name}");
            match client.discloses {
                Some(status) => assert_eq!(unknown.status(), status, "{deployment:?} {name}"),
                None => {
                    assert_eq!((known.status(), known.body()), (unknown.status(), unknown.body()), "{name}");
                }
            }
        }
    }
}
