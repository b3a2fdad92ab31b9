//! How a client speaks a dialect: the requests of one whole reset, as data.
//!
//! Each dialect describes its clients once, in its own folder. The demo, the enumeration probe, the conformance and attack
//! suites and `cargo xtask compare` all drive a dialect by this description, so a new dialect joins them by describing
//! itself.

use serde_json::{Value, to_string};

/// Stands for the address in [`Step::body`].
pub const EMAIL: &str = "EMAIL";
/// Stands for the new password in [`Step::body`].
pub const PASSWORD: &str = "PASSWORD";
/// Stands for the secret in [`Step::body`], for dialects whose secret is one value.
pub const SECRET: &str = "SECRET";

/// How a client speaks one dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// Name of the dialect for people.
    pub title: &'static str,
    /// How a reset works, as half a sentence without a full stop.
    pub summary: &'static str,
    /// The requests that start a reset, one for each path that serves it; the last is the current version's.
    pub request: Vec<Step>,
    /// What the mail carries.
    pub mailed: MailedSecret,
    /// The request that exchanges the mailed code for the token that redeems; `None` where the mailed secret redeems.
    pub exchange: Option<ExchangeStep>,
    /// The requests that set the password, one for each path that serves it; the last is the current version's.
    pub redeem: Vec<Step>,
    /// The placeholders of the secret in [`Self::redeem`], in the order in which a secret joins their values with `/`.
    pub secret: &'static [&'static str],
    /// A secret that is well formed and was never issued.
    pub forged: String,
    /// The status that refuses a secret which was used, was replaced or has expired. A secret that was never issued can get
    /// another one: see [`Traits::forged`](crate::traits::Traits::forged).
    pub refused: u16,
    /// The field of a reset request that names the page which the link opens, for dialects that have one.
    pub redirect: Option<&'static str>,
    /// The status that discloses an unknown address, for dialects whose contract does that (px0: 404, R13).
    pub discloses: Option<u16>,
}

/// One JSON request, sent by POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The operation's id in the dialect's document.
    pub operation: &'static str,
    /// The path.
    pub path: String,
    /// A JSON body in which placeholders such as [`EMAIL`] stand for JSON values.
    pub body: String,
}

/// What the mail carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailedSecret {
    /// A code to type.
    Code,
    /// A link with the secret in these query parameters.
    Link {
        /// The parameters, in the order of [`Client::secret`].
        parameters: &'static [&'static str],
    },
}

/// The exchange of a code for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeStep {
    /// The request; its body has [`EMAIL`] and [`SECRET`].
    pub step: Step,
    /// The field of the response that holds the token.
    pub token: &'static str,
}

impl Step {
    /// A step from its operation id, path and body template.
    pub fn new(operation: &'static str, path: impl Into<String>, body: impl Into<String>) -> Self {
        Self { operation, path: path.into(), body: body.into() }
    }

    /// The step with the JSON value `json` in place of `placeholder`.
    #[must_use]
    pub fn with_json(&self, placeholder: &str, json: &str) -> Self {
        Self { body: self.body.replace(placeholder, json), ..self.clone() }
    }

    /// The step with the text `value` in place of `placeholder`.
    #[must_use]
    pub fn with(&self, placeholder: &str, value: &str) -> Self {
        self.with_json(placeholder, &json(value))
    }
}

impl Client {
    /// The request that starts a reset for `email`.
    ///
    /// # Panics
    /// When the dialect describes no request.
    pub fn request_for(&self, email: &str) -> Step {
        self.request.last().expect("a dialect has a request").with(EMAIL, email)
    }

    /// The request that sets `password` by `secret`.
    ///
    /// # Panics
    /// When the dialect describes no such request.
    pub fn redeem_with(&self, secret: &str, password: &str) -> Step {
        self.fill(self.redeem.last().expect("a dialect sets passwords"), secret, password)
    }

    /// One of [`Self::redeem`] with its placeholders filled.
    pub fn fill(&self, step: &Step, secret: &str, password: &str) -> Step {
        let mut values = secret.splitn(self.secret.len(), '/');
        let step = step.with(PASSWORD, password);
        self.secret.iter().fold(step, |step, name| step.with(name, values.next().unwrap_or_default()))
    }

    /// The request that exchanges `code`, mailed to `email`, for a token.
    pub fn exchange_of(&self, email: &str, code: &str) -> Option<Step> {
        self.exchange.as_ref().map(|exchange| exchange.step.with(EMAIL, email).with(SECRET, code))
    }

    /// The token in the body of a successful exchange.
    pub fn token_in(&self, body: &str) -> Option<String> {
        let body: Value = serde_json::from_str(body).ok()?;
        Some(body.get(self.exchange.as_ref()?.token)?.as_str()?.to_owned())
    }

    /// The secret in a mailed link.
    pub fn secret_in(&self, link: &str) -> Option<String> {
        let MailedSecret::Link { parameters } = self.mailed else { return None };
        let (_, query) = link.split_once('?')?;
        let value = |name: &&str| {
            query.split('&').find_map(|pair| pair.strip_prefix(*name)?.strip_prefix('=')).map(str::to_owned)
        };
        Some(parameters.iter().map(value).collect::<Option<Vec<_>>>()?.join("/"))
    }
}

/// `text` as a JSON string.
fn json(text: &str) -> String {
    to_string(text).expect("text is always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client {
            dialect: "test",
            title: "Test",
            summary: "a link by mail",
            request: vec![
                Step::new("request", "/old", "{}"),
                Step::new("request", "/new", r#"{"email":EMAIL}"#),
            ],
            mailed: MailedSecret::Link { parameters: &["uid", "token"] },
            exchange: None,
            redeem: vec![Step::new("redeem", "/set", r#"{"uid":UID,"token":TOKEN,"p":PASSWORD}"#)],
            secret: &["UID", "TOKEN"],
            forged: "MQ/x".into(),
            refused: 400,
            redirect: None,
            discloses: None,
        }
    }

    #[test]
    fn request_uses_the_current_path_and_escapes_the_address() {
        let step = client().request_for("a\"b@c.org");
        assert_eq!((step.path.as_str(), step.body.as_str()), ("/new", r#"{"email":"a\"b@c.org"}"#));
    }

    #[test]
    fn secret_of_two_values_travels_from_the_link_into_the_body() {
        let client = client();
        let secret = client.secret_in("https://x.org/reset?uid=MQ&token=abc-1").unwrap();
        assert_eq!(secret, "MQ/abc-1");
        assert_eq!(client.redeem_with(&secret, "new").body, r#"{"uid":"MQ","token":"abc-1","p":"new"}"#);
        assert_eq!(client.secret_in("https://x.org/reset?token=abc-1"), None);
    }
}
