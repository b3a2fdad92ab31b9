//! The clients of every dialect in the registry, and what they do with the mails that they receive.
//!
//! Every dialect is switched on, also one that is off by default. A dialect that describes no client fails the tests with
//! a sentence that says where the description belongs.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use reset_core::keys::HmacKey;
use reset_dialects::MODULES;
pub use reset_http::client::{Client, Step};
use reset_http::{client::MailedSecret, route::Dialect};
pub use reset_settings::variable;

use crate::{http, mails::ReceivedMail};

/// Public URL of the deployments in tests.
pub const PUBLIC_URL: &str = "http://127.0.0.1:8080";

/// Builds every dialect with default settings and these changes of them.
///
/// # Panics
/// Panics if a setting is unknown or invalid.
pub fn dialects(settings: &[(&str, &str)], root: &HmacKey) -> Vec<Dialect> {
    let all = [reset_dialects::all_on(), settings.to_vec()].concat();
    reset_dialects::with(&all, root, PUBLIC_URL).expect("the settings of a test are valid")
}

/// Returns the client of every dialect with default settings.
///
/// # Panics
/// Panics if a dialect describes no client.
pub fn all() -> Vec<Client> {
    with(&[])
}

/// Returns the client of every dialect with these changes of the default settings.
///
/// # Panics
/// Panics if a dialect describes no client, or if a setting is unknown or invalid.
pub fn with(settings: &[(&str, &str)]) -> Vec<Client> {
    let dialects = dialects(settings, &HmacKey::shared(b"clients"));
    assert_eq!(dialects.len(), MODULES.len(), "every dialect is switched on");
    dialects.into_iter().map(|dialect| client_of(&dialect)).collect()
}

/// Returns the client of a dialect.
fn client_of(dialect: &Dialect) -> Client {
    let name = dialect.name;
    let missing = format!(
        "{name} describes no client: add crates/dialects/{name}/src/client.rs and set `client` of its `Dialect`"
    );
    dialect.client.clone().expect(&missing)
}

/// Returns the client of the dialect `name`, for tests of that dialect only.
///
/// # Panics
/// Panics if the registry has no such dialect.
pub fn named(name: &str) -> Client {
    let missing =
        format!("the registry has no dialect {name}: remove its tests, or add it to reset_dialects::MODULES");
    all().into_iter().find(|client| client.dialect == name).expect(&missing)
}

/// Returns every request of a client.
pub fn steps(client: &Client) -> impl Iterator<Item = &Step> {
    let exchange = client.exchange.as_ref().map(|exchange| &exchange.step);
    client.request.iter().chain(exchange).chain(&client.redeem)
}

/// Returns the fields of a step's body whose values are placeholders, each with its placeholder.
pub fn fields(step: &Step) -> Vec<(&str, &str)> {
    let mut fields = Vec::new();
    for (at, separator) in step.body.match_indices("\":") {
        let name = step.body[..at].rsplit('"').next().unwrap_or_default();
        let value = step.body[at + separator.len()..].split([',', '}']).next().unwrap_or_default().trim();
        if value.starts_with(|c: char| c.is_ascii_uppercase()) {
            fields.push((name, value));
        }
    }
    fields
}

/// Returns the environment variables that switch every dialect on.
pub fn variables() -> impl Iterator<Item = (String, &'static str)> {
    reset_dialects::all_on().into_iter().map(|(name, value)| (variable(name), value))
}

/// Returns the environment variables with the lifetimes of the secrets of every dialect.
///
/// # Panics
/// Panics if a dialect reports no lifetime.
pub fn lifetime_variables() -> Vec<String> {
    let of_dialect = |dialect: &Dialect| {
        let variables: Vec<String> =
            dialect.security.lifetimes.iter().map(|lifetime| variable(lifetime.setting)).collect();
        let name = dialect.name;
        assert!(
            !variables.is_empty(),
            "{name} reports no lifetime: set `security.lifetimes` of its `Dialect`"
        );
        variables
    };
    dialects(&[], &HmacKey::shared(b"clients")).iter().flat_map(of_dialect).collect()
}

/// Returns the environment variables that must name a page for mailed links where the hosted pages are off.
pub fn page_variables() -> Vec<String> {
    let dialects = dialects(&[], &HmacKey::shared(b"clients"));
    dialects.iter().filter_map(|dialect| dialect.needs_page).map(|setting| variable(setting.name)).collect()
}

/// Returns the secret in a mail of this dialect, or `None` if the mail has none.
pub fn secret_in(client: &Client, mail: &ReceivedMail) -> Option<String> {
    match client.mailed {
        MailedSecret::Code => mail.code().map(ToOwned::to_owned),
        MailedSecret::Link { .. } => client.secret_in(mail.link()?),
    }
}

/// Exchanges a code for a token if the dialect has an exchange, and otherwise returns the secret.
///
/// # Errors
/// Fails if the exchange fails.
pub fn exchanged(
    client: &Client,
    address: SocketAddr,
    email: &str,
    secret: String,
) -> anyhow::Result<String> {
    let Some(step) = client.exchange_of(email, &secret) else { return Ok(secret) };
    let answer = http::send(address, &step)?;
    ensure!(answer.is_success(), "{}: {} {}", client.dialect, answer.status, answer.body);
    client.token_in(&answer.body).with_context(|| format!("{}: no token in {}", client.dialect, answer.body))
}

#[cfg(test)]
mod tests {
    use reset_http::client::PASSWORD;

    use super::*;

    /// A client that names a path which its dialect does not serve would test nothing.
    #[test]
    fn every_path_of_a_client_is_a_route_of_its_dialect() {
        for dialect in dialects(&[], &HmacKey::shared(b"clients")) {
            let client = client_of(&dialect);
            for step in steps(&client) {
                assert!(dialect.rows.iter().any(|(path, _)| *path == step.path), "{}", step.path);
            }
        }
    }

    #[test]
    fn fields_of_a_body_are_those_with_placeholders() {
        let step = Step::new("reset", "/x", r#"{"p":PASSWORD,"redirectTo":"https://x.example/","uid":UID}"#);
        assert_eq!(fields(&step), [("p", "PASSWORD"), ("uid", "UID")]);
        for client in all() {
            let redeemed: Vec<&str> =
                client.redeem.iter().flat_map(fields).map(|(_, placeholder)| placeholder).collect();
            for placeholder in client.secret.iter().chain([&PASSWORD]) {
                assert!(redeemed.contains(placeholder), "{}: {placeholder}", client.dialect);
            }
        }
    }

    #[test]
    fn secret_is_found_in_a_mail_with_a_code_or_a_link() {
        for client in all() {
            let (line, secret) = match client.mailed {
                MailedSecret::Code => ("123456".to_owned(), "123456".to_owned()),
                MailedSecret::Link { parameters } => {
                    let query: Vec<String> = parameters.iter().map(|name| format!("{name}=a-1")).collect();
                    let link = format!("{PUBLIC_URL}/reset?{}", query.join("&"));
                    (link, vec!["a-1"; parameters.len()].join("/"))
                }
            };
            let mail = |text: &str| ReceivedMail {
                to: "ann@example.com".to_owned(),
                id: "1@example.com".to_owned(),
                subject: "Reset".to_owned(),
                text: text.to_owned(),
            };
            let found = secret_in(&client, &mail(&format!("Hello,\n\n{line}\n")));
            assert_eq!(found, Some(secret), "{}", client.dialect);
            assert_eq!(secret_in(&client, &mail("Your password was changed.")), None, "{}", client.dialect);
        }
    }
}
