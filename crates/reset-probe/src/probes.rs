//! The requests whose responses could depend on whether an address has an account, from the dialects' client descriptions.
//!
//! Paths come from the OpenAPI document that the server shows, so a path that its settings changed is found too.

use reset_http::client::{Client, EMAIL, SECRET, Step};
use serde_json::{Value, json};
use url::form_urlencoded;

/// One request of a dialect, at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumerationProbe {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// Path of the POST request.
    pub path: String,
    /// What the request does.
    pub kind: ProbeKind,
    /// The status by which the dialect's contract discloses an unknown address (px0: 404, R13).
    pub discloses: Option<u16>,
    /// Whether the dialect exchanges codes, so that codes can be guessed for a named address.
    pub exchanges_codes: bool,
    /// Whether the body is a form instead of JSON.
    pub is_form: bool,
    body: String,
    redirect: Option<&'static str>,
}

/// What a probe does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// Requests a reset.
    ResetRequest,
    /// Guesses a six-digit code for a named address.
    Guess,
}

/// What a server says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedProbes {
    /// Title and version of its OpenAPI document.
    pub server: String,
    /// The probes that it answers.
    pub probes: Vec<EnumerationProbe>,
}

impl EnumerationProbe {
    fn new(client: &Client, step: &Step, kind: ProbeKind) -> Self {
        Self {
            dialect: client.dialect,
            path: step.path.clone(),
            kind,
            discloses: client.discloses.filter(|_| kind == ProbeKind::ResetRequest),
            exchanges_codes: client.exchange.is_some(),
            is_form: false,
            body: step.body.clone(),
            redirect: client.redirect.filter(|_| kind == ProbeKind::ResetRequest),
        }
    }

    /// The body for `email`. A guess carries `code`; a reset request carries `redirect_to` if its dialect has a field for
    /// it.
    pub fn body(&self, email: &str, code: &str, redirect_to: Option<&str>) -> String {
        if self.is_form {
            let fields = [("by", "code"), ("email", email), ("code", code), ("password", PASSWORD)];
            return form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        }
        let body =
            self.body.replace(EMAIL, &json!(email).to_string()).replace(SECRET, &json!(code).to_string());
        match (self.redirect, redirect_to, serde_json::from_str(&body)) {
            (Some(field), Some(target), Ok(Value::Object(mut fields))) => {
                fields.insert(field.to_owned(), target.into());
                Value::Object(fields).to_string()
            }
            _ => body,
        }
    }
}

/// Name of the hosted pages in reports.
pub const PAGES: &str = "pages";
/// A password that every policy accepts, so that the code beside it is tried.
const PASSWORD: &str = "Correct horse battery 1!";

/// The guess at a code on the hosted page.
pub fn page() -> EnumerationProbe {
    EnumerationProbe {
        dialect: PAGES,
        path: "/reset".to_owned(),
        kind: ProbeKind::Guess,
        discloses: None,
        exchanges_codes: false,
        is_form: true,
        body: String::new(),
        redirect: None,
    }
}

/// Whether this is a hosted page with a form for codes.
pub fn is_page_for_codes(html: &str) -> bool {
    html.contains(r#"name="code""#)
}

/// The probes of these clients at their usual paths, for servers that show no document.
pub fn usual(clients: &[Client]) -> Vec<EnumerationProbe> {
    known(clients).map(|(_, probe)| probe).collect()
}

/// What the OpenAPI document of a server offers; `None` if `document` is no such document.
pub fn offered(clients: &[Client], document: &str) -> Option<OfferedProbes> {
    let document: Value = serde_json::from_str(document).ok()?;
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let server = format!("{} {}", text("/info/title")?, text("/info/version")?);
    let mut probes = Vec::new();
    for (path, item) in document["paths"].as_object()? {
        let id = item["post"]["operationId"].as_str();
        let known = known(clients).find(|(operation, _)| id == Some(operation));
        probes.extend(known.map(|(_, probe)| EnumerationProbe { path: path.clone(), ..probe }));
    }
    Some(OfferedProbes { server, probes })
}

/// Every probe with the operation id that the document of a server gives it.
fn known(clients: &[Client]) -> impl Iterator<Item = (String, EnumerationProbe)> {
    clients.iter().flat_map(|client| {
        let requests = client.request.iter().map(|step| (step, ProbeKind::ResetRequest));
        let guesses = client.exchange.iter().map(|exchange| (&exchange.step, ProbeKind::Guess));
        requests.chain(guesses).map(|(step, kind)| {
            (format!("{}_{}", client.dialect, step.operation), EnumerationProbe::new(client, step, kind))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Vec<Client> {
        reset_dialects::clients()
    }

    #[test]
    fn every_dialect_has_a_probe_at_each_path_that_requests_a_reset() {
        let (clients, probes) = (clients(), usual(&clients()));
        for name in reset_dialects::names() {
            let Some(client) = clients.iter().find(|client| client.dialect == name) else {
                panic!("{name} has no client: describe it in crates/dialects/{name}/src/client.rs")
            };
            let of = |kind| {
                let probes = probes.iter().filter(move |probe| probe.dialect == name && probe.kind == kind);
                probes.map(|probe| probe.path.as_str()).collect::<Vec<_>>()
            };
            let requests: Vec<&str> = client.request.iter().map(|step| step.path.as_str()).collect();
            assert!(!requests.is_empty(), "{name} has no request in crates/dialects/{name}/src/client.rs");
            assert_eq!(of(ProbeKind::ResetRequest), requests, "{name}");
            assert_eq!(of(ProbeKind::Guess).len(), usize::from(client.exchange.is_some()), "{name}");
        }
    }

    #[test]
    fn bodies_are_json_for_every_address() {
        for probe in usual(&clients()) {
            let body = probe.body("a\"b@c.org", "012345", Some("https://x"));
            let body: Value = serde_json::from_str(&body).unwrap();
            let has = |text: &str| body.as_object().unwrap().values().any(|value| value == text);
            assert!(has("a\"b@c.org"), "{}", probe.path);
            assert_eq!(has("012345"), probe.kind == ProbeKind::Guess, "{}", probe.path);
        }
    }

    #[test]
    fn page_guesses_with_a_form_that_holds_the_address_and_the_code() {
        let body = page().body("a+b@c.org", "012345", None);
        let fields: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
        assert!(fields.contains(&("email".into(), "a+b@c.org".into())), "{body}");
        assert!(fields.contains(&("code".into(), "012345".into())), "{body}");
    }

    #[test]
    fn redirect_target_is_sent_where_the_dialect_has_a_field_for_it() {
        let probes = usual(&clients());
        assert!(
            probes.iter().any(|probe| probe.redirect.is_some()),
            "no dialect has a field for a redirect target"
        );
        for probe in probes {
            let body = probe.body("a@b.org", "", Some("https://x"));
            match probe.redirect {
                Some(field) => {
                    let body: Value = serde_json::from_str(&body).unwrap();
                    assert_eq!(body[field], "https://x", "{}", probe.path);
                }
                None => assert!(!body.contains("https://x"), "{}: {body}", probe.path),
            }
        }
        let insforge = usual(&clients()).into_iter().find(|probe| probe.dialect == "insforge").unwrap();
        assert_eq!(
            insforge.body("a@b.org", "", Some("https://x")),
            r#"{"email":"a@b.org","redirectTo":"https://x"}"#
        );
    }

    #[test]
    fn other_documents_offer_nothing() {
        assert_eq!(offered(&clients(), "<html>"), None);
        assert_eq!(offered(&clients(), "{}"), None);
        assert_eq!(offered(&clients(), "[1]"), None);
    }
}
