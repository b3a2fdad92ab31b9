//! One dialect under attack: its requests, as its client description composes them, with any JSON in any place.

use reset_http::{
    client::{Client, EMAIL, MailedSecret, PASSWORD, Step},
    route::{Dialect, Lifetime},
    traits::Traits,
};
use reset_testkit::memory::{SentKind, SentMail};
use serde_json::{Map, Value, json};

use crate::bench::{NEW_PASSWORD, PUBLIC_URL, TARGET};

const URL_ENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// Dialects whose original server reads forms next to JSON, and which. Every other dialect reads JSON only (R36).
const READS_FORMS: [(&str, &[&str]); 3] = [
    ("django", &[URL_ENCODED, MULTIPART]),
    ("strapi", &[URL_ENCODED, MULTIPART]),
    ("insforge", &[URL_ENCODED]),
];

/// One dialect under attack.
pub(crate) struct AttackedDialect {
    pub(crate) client: Client,
    pub(crate) dialect: Dialect,
}

impl AttackedDialect {
    pub(crate) fn new(dialect: Dialect) -> Self {
        let name = dialect.name;
        let client = dialect.client.clone();
        let client = client.unwrap_or_else(|| {
            panic!(
                "{name} has no client: describe how clients speak it in crates/dialects/{name}/src/client.rs"
            )
        });
        Self { client, dialect }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.client.dialect
    }

    /// Returns the facts that the dialect states about itself.
    pub(crate) fn traits(&self) -> &Traits {
        let name = self.name();
        let traits = self.dialect.traits.as_ref();
        traits.unwrap_or_else(|| {
            panic!("{name} has no traits: state them in crates/dialects/{name}/src/lib.rs")
        })
    }

    /// Returns the status for a JSON body that is declared as `kind`, which a page of another site could post: 415, or 400
    /// where the contract has forms and the body is not a readable one.
    pub(crate) fn status_of_type(&self, kind: &str) -> u16 {
        let forms =
            READS_FORMS.iter().find(|(name, _)| *name == self.name()).map_or(&[] as &[_], |(_, forms)| forms);
        if forms.iter().any(|form| kind.starts_with(form)) { 400 } else { 415 }
    }

    /// Returns the lifetimes of its secrets.
    pub(crate) fn lifetimes(&self) -> &[Lifetime] {
        let (name, lifetimes) = (self.name(), &self.dialect.security.lifetimes);
        assert!(
            !lifetimes.is_empty(),
            "{name} states no lifetime: add it in crates/dialects/{name}/src/settings.rs"
        );
        lifetimes
    }

    /// Returns the statuses that refuse a secret which expired, was used or was replaced.
    pub(crate) fn dead_statuses(&self) -> Vec<u16> {
        self.traits().dead.iter().map(|response| response.status().as_u16()).collect()
    }

    /// Returns the request for a reset of `email`; it names the allowed target if the dialect has redirects.
    pub(crate) fn request(&self, email: &str) -> Step {
        self.request_raw(&json!(email).to_string())
    }

    /// As [`Self::request`], with any JSON value as the address.
    pub(crate) fn request_raw(&self, email: &str) -> Step {
        let step = self.client.request.last().unwrap();
        let step = match self.client.redirect {
            Some(field) => with_field(step, field, TARGET),
            None => step.clone(),
        };
        step.with_json(EMAIL, email)
    }

    /// Returns the request for a link to `target`.
    pub(crate) fn request_to(&self, email: &str, target: &str) -> Step {
        let field = self.client.redirect.expect("the dialect has redirects");
        with_field(self.client.request.last().unwrap(), field, target).with(EMAIL, email)
    }

    /// Returns the secret of a mail of this dialect.
    pub(crate) fn secret_in(&self, mail: &SentMail) -> String {
        match self.client.mailed {
            MailedSecret::Code => {
                assert_eq!(mail.kind, SentKind::Code, "{} mails codes", self.name());
                mail.secret.clone()
            }
            MailedSecret::Link { .. } => {
                let secret = self.client.secret_in(&mail.secret);
                secret.unwrap_or_else(|| panic!("{} mails links: {}", self.name(), mail.secret))
            }
        }
    }

    /// Returns every step of the client on every path, with a secret that was never issued.
    pub(crate) fn steps(&self, email: &str) -> Vec<Step> {
        let Client { request, redeem, forged, .. } = &self.client;
        let current = self.request(email);
        let requests = request.iter().map(|step| Step { path: step.path.clone(), ..current.clone() });
        let redeems = redeem.iter().map(|step| self.client.fill(step, forged, NEW_PASSWORD));
        requests.chain(redeems).chain(self.client.exchange_of(email, "000000")).collect()
    }

    /// Returns the path and query of a mailed link that opens a path of the dialect itself, and not a page.
    pub(crate) fn own_link(&self, mail: &SentMail) -> Option<String> {
        let link = mail.secret.strip_prefix(PUBLIC_URL)?;
        let path = link.split('?').next()?;
        self.dialect.rows.iter().any(|(known, _)| known == path).then(|| link.to_owned())
    }

    /// Returns a link to `path` with this secret.
    pub(crate) fn link(&self, path: &str, secret: &str) -> String {
        let MailedSecret::Link { parameters } = self.client.mailed else {
            panic!("{} mails codes", self.name())
        };
        let mut values = secret.splitn(parameters.len(), '/');
        let pairs = parameters.iter().map(|name| format!("{name}={}", values.next().unwrap_or_default()));
        format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
    }

    /// Returns `live` with `secret` in place of its last value, which is the one that must not be guessed.
    pub(crate) fn with_last(&self, live: &str, secret: &str) -> String {
        let mut values: Vec<&str> = self.values(live).into_iter().map(|(_, value)| value).collect();
        *values.last_mut().unwrap() = secret;
        values.join("/")
    }

    /// Returns the values of a secret, with their placeholders.
    fn values<'a>(&self, secret: &'a str) -> Vec<(&'static str, &'a str)> {
        let mut values = secret.splitn(self.client.secret.len(), '/');
        self.client.secret.iter().map(|name| (*name, values.next().unwrap_or_default())).collect()
    }

    /// Returns the requests that set a password with a changed secret: in each, `raw` makes any JSON of one of its
    /// values.
    pub(crate) fn redeem_raw(&self, secret: &str, raw: impl Fn(&str) -> String) -> Vec<Step> {
        let (values, step) = (self.values(secret), self.client.redeem.last().unwrap());
        let changed = values.iter().map(|(changed, _)| {
            let step = step.with(PASSWORD, NEW_PASSWORD);
            values.iter().fold(step, |step, (name, value)| {
                if name == changed { step.with_json(name, &raw(value)) } else { step.with(name, value) }
            })
        });
        changed.collect()
    }

    /// Returns the names of the fields that carry the secret.
    pub(crate) fn secret_fields(&self) -> Vec<String> {
        let fields = self.client.secret.iter().map(|placeholder| {
            let step = self
                .client
                .secret
                .iter()
                .fold(self.client.redeem.last().unwrap().with(PASSWORD, ""), |step, name| {
                    step.with_json(name, if name == placeholder { "true" } else { "false" })
                });
            let body: Map<String, Value> = serde_json::from_str(&step.body).unwrap();
            let field = body.into_iter().find(|(_, value)| *value == true);
            field.unwrap_or_else(|| panic!("{}: no field has {placeholder}", self.name())).0
        });
        fields.collect()
    }
}

/// Returns the step with the text `value` in the field `name`.
fn with_field(step: &Step, name: &str, value: &str) -> Step {
    let quoted = json!(EMAIL).to_string();
    let mut body: Map<String, Value> = serde_json::from_str(&step.with_json(EMAIL, &quoted).body).unwrap();
    body.insert(name.to_owned(), value.into());
    Step { body: Value::from(body).to_string().replace(&quoted, EMAIL), ..step.clone() }
}
