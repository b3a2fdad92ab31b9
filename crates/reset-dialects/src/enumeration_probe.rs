//! Lists the requests whose response could reveal to an anonymous client whether an address has an account, for tools
//! that measure a server from outside.
//!
//! The paths come from the OpenAPI document of the server, so configured base paths are found too.

use serde_json::{Value, json};

use crate::{insforge, px0, strapi, worthai};

/// One such request of a dialect, at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumerationProbe {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// Path of the POST request.
    pub path: String,
    /// What the request does.
    pub kind: ProbeKind,
    /// The status with which the dialect's contract reveals that an address has no account (px0: 404, R13).
    pub discloses: Option<u16>,
}

/// What a probe does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// Requests a reset.
    ResetRequest,
    /// Guesses the six-digit code of an address.
    Guess,
}

/// The probes that a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedProbes {
    /// Title and version of its OpenAPI document.
    pub server: String,
    /// The probes.
    pub questions: Vec<EnumerationProbe>,
}

/// A probe at an operation of the document.
struct ProbeOperation {
    dialect: &'static str,
    /// Operation id without the dialect's prefix.
    operation: &'static str,
    default_path: &'static str,
    kind: ProbeKind,
    discloses: Option<u16>,
}

const fn probe(
    dialect: &'static str,
    operation: &'static str,
    default_path: &'static str,
    kind: ProbeKind,
) -> ProbeOperation {
    ProbeOperation { dialect, operation, default_path, kind, discloses: None }
}

/// All probes, with their default paths.
const OPERATIONS: [ProbeOperation; 6] = [
    ProbeOperation {
        discloses: Some(404),
        ..probe(px0::NAME, "triggerPasswordReset", "/v1/auth/password-reset/trigger", ProbeKind::ResetRequest)
    },
    probe(worthai::NAME, "forgotPassword", "/auth/api/v1/forgot-password", ProbeKind::ResetRequest),
    probe(strapi::NAME, "forgotPassword", "/auth/forgot-password", ProbeKind::ResetRequest),
    probe(strapi::NAME, "forgotPasswordV4", "/api/auth/forgot-password", ProbeKind::ResetRequest),
    probe(
        insforge::NAME,
        "sendResetPassword",
        "/api/auth/email/send-reset-password",
        ProbeKind::ResetRequest,
    ),
    probe(
        insforge::NAME,
        "exchangeResetPasswordToken",
        "/api/auth/email/exchange-reset-password-token",
        ProbeKind::Guess,
    ),
];

impl ProbeOperation {
    /// Returns the probe at `path`.
    fn at(&self, path: &str) -> EnumerationProbe {
        let Self { dialect, kind, discloses, .. } = *self;
        EnumerationProbe { dialect, path: path.to_owned(), kind, discloses }
    }
}

impl EnumerationProbe {
    /// Returns the JSON body of a request for `email`. A guess contains `code`; a reset request contains
    /// `redirect_to` if its dialect has a field for it.
    pub fn body(&self, email: &str, code: &str, redirect_to: Option<&str>) -> String {
        let body = match (self.kind, redirect_to) {
            (ProbeKind::Guess, _) => json!({ "email": email, "code": code }),
            (ProbeKind::ResetRequest, Some(target)) if self.dialect == insforge::NAME => {
                json!({ "email": email, "redirectTo": target })
            }
            (ProbeKind::ResetRequest, _) => json!({ "email": email }),
        };
        body.to_string()
    }
}

/// Returns the probes that the OpenAPI document of a server offers, or `None` if `document` is not one.
pub fn offer(document: &str) -> Option<OfferedProbes> {
    let document: Value = serde_json::from_str(document).ok()?;
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let server = format!("{} {}", text("/info/title")?, text("/info/version")?);
    let mut questions = Vec::new();
    for (path, item) in document["paths"].as_object()? {
        let id = item["post"]["operationId"].as_str().and_then(|id| id.split_once('_'));
        let Some((dialect, operation)) = id else { continue };
        let known = OPERATIONS.iter().find(|known| known.dialect == dialect && known.operation == operation);
        questions.extend(known.map(|known| known.at(path)));
    }
    Some(OfferedProbes { server, questions })
}

/// Returns the probes of every dialect at their default paths, for servers that publish no document.
pub fn usual() -> Vec<EnumerationProbe> {
    OPERATIONS.iter().map(|operation| operation.at(operation.default_path)).collect()
}

#[cfg(test)]
mod tests {
    use reset_core::keys::Key;

    use super::*;
    use crate::{DialectSettings, dialects, openapi, route::EndpointKind};

    #[test]
    fn every_trigger_is_a_probe_at_its_default_path() {
        let dialects =
            dialects(DialectSettings::defaults(&Key::shared(&[1; 32]), "https://accounts.example.org"));
        let offer = offer(&openapi::to_json(&openapi::whole(&dialects))).unwrap();
        assert_eq!(offer.questions, usual());
        assert_eq!(offer.server, concat!("polyreset ", env!("CARGO_PKG_VERSION")));
        let rows = dialects.iter().flat_map(|dialect| &dialect.rows);
        let triggers =
            rows.filter(|(_, endpoints)| endpoints.iter().any(|one| one.kind == EndpointKind::Trigger));
        let probes = offer.questions.iter().filter(|probe| probe.kind == ProbeKind::ResetRequest);
        assert_eq!(
            triggers.map(|(path, _)| path).collect::<Vec<_>>(),
            probes.map(|probe| &probe.path).collect::<Vec<_>>()
        );
    }

    #[test]
    fn bodies_escape_the_address_as_json() {
        let bodies = usual().into_iter().map(|probe| probe.body("a\"b@c.org", "012345", Some("https://x")));
        let bodies: Vec<String> = bodies.collect();
        assert_eq!(bodies[0], r#"{"email":"a\"b@c.org"}"#);
        assert_eq!(bodies[4], r#"{"email":"a\"b@c.org","redirectTo":"https://x"}"#);
        assert_eq!(bodies[5], r#"{"email":"a\"b@c.org","code":"012345"}"#);
    }

    #[test]
    fn text_that_is_not_an_openapi_document_offers_no_probes() {
        assert_eq!(offer("<html>"), None);
        assert_eq!(offer("{}"), None);
        assert_eq!(offer("[1]"), None);
    }
}
