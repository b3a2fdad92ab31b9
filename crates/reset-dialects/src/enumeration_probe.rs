//! What a stranger can ask that depends on whether an address has an account: for tools that measure from outside.
//!
//! The paths come from the document that the server itself shows, so a path from its settings is found, too.

use serde_json::{Value, json};

use crate::{insforge, px0, strapi, worthai};

/// One question of a dialect, at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumerationProbe {
    /// Whose dialect it is.
    pub dialect: &'static str,
    /// Where it is posted to.
    pub path: String,
    /// What is asked.
    pub kind: ProbeKind,
    /// The status by which the dialect's own contract tells that an address has no account (px0: 404, R13).
    pub discloses: Option<u16>,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// A reset is asked for.
    ResetRequest,
    /// A code of six digits is guessed at, for a named address.
    Guess,
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedProbes {
    /// Title and version of its document.
    pub server: String,
    /// The questions that it answers.
    pub questions: Vec<EnumerationProbe>,
}

/// An operation of the document: its dialect, the end of its id, what it asks, and the status that tells.
struct Known {
    dialect: &'static str,
    operation: &'static str,
    usual: &'static str,
    kind: ProbeKind,
    discloses: Option<u16>,
}

const fn known(
    dialect: &'static str,
    operation: &'static str,
    usual: &'static str,
    kind: ProbeKind,
) -> Known {
    Known { dialect, operation, usual, kind, discloses: None }
}

/// All of them, at their usual paths.
const KNOWN: [Known; 6] = [
    Known {
        discloses: Some(404),
        ..known(px0::NAME, "triggerPasswordReset", "/v1/auth/password-reset/trigger", ProbeKind::ResetRequest)
    },
    known(worthai::NAME, "forgotPassword", "/auth/api/v1/forgot-password", ProbeKind::ResetRequest),
    known(strapi::NAME, "forgotPassword", "/auth/forgot-password", ProbeKind::ResetRequest),
    known(strapi::NAME, "forgotPasswordV4", "/api/auth/forgot-password", ProbeKind::ResetRequest),
    known(
        insforge::NAME,
        "sendResetPassword",
        "/api/auth/email/send-reset-password",
        ProbeKind::ResetRequest,
    ),
    known(
        insforge::NAME,
        "exchangeResetPasswordToken",
        "/api/auth/email/exchange-reset-password-token",
        ProbeKind::Guess,
    ),
];

impl Known {
    fn at(&self, path: &str) -> EnumerationProbe {
        let Self { dialect, kind, discloses, .. } = *self;
        EnumerationProbe { dialect, path: path.to_owned(), kind, discloses }
    }
}

impl EnumerationProbe {
    /// The body that asks for `email`. A guess carries `code`; an ask carries `redirect_to` where its dialect has a
    /// field for it.
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

/// What the document of a server offers; nothing if it is no document.
pub fn offer(document: &str) -> Option<OfferedProbes> {
    let document: Value = serde_json::from_str(document).ok()?;
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let server = format!("{} {}", text("/info/title")?, text("/info/version")?);
    let mut questions = Vec::new();
    for (path, item) in document["paths"].as_object()? {
        let id = item["post"]["operationId"].as_str().and_then(|id| id.split_once('_'));
        let Some((dialect, operation)) = id else { continue };
        let known = KNOWN.iter().find(|known| known.dialect == dialect && known.operation == operation);
        questions.extend(known.map(|known| known.at(path)));
    }
    Some(OfferedProbes { server, questions })
}

/// The questions of every dialect at their usual paths, for servers that show no document.
pub fn usual() -> Vec<EnumerationProbe> {
    KNOWN.iter().map(|known| known.at(known.usual)).collect()
}

#[cfg(test)]
mod tests {
    use reset_core::keys::Key;

    use super::*;
    use crate::{DialectSettings, dialects, openapi, route::EndpointKind};

    #[test]
    fn every_trigger_of_our_own_rows_is_a_question_at_its_usual_path() {
        let dialects =
            dialects(DialectSettings::defaults(&Key::shared(&[1; 32]), "https://accounts.example.org"));
        let offer = offer(&openapi::to_json(&openapi::whole(&dialects))).unwrap();
        assert_eq!(offer.questions, usual());
        assert_eq!(offer.server, concat!("polyreset ", env!("CARGO_PKG_VERSION")));
        let rows = dialects.iter().flat_map(|dialect| &dialect.rows);
        let triggers =
            rows.filter(|(_, endpoints)| endpoints.iter().any(|one| one.kind == EndpointKind::Trigger));
        let asked = offer.questions.iter().filter(|question| question.kind == ProbeKind::ResetRequest);
        assert_eq!(
            triggers.map(|(path, _)| path).collect::<Vec<_>>(),
            asked.map(|question| &question.path).collect::<Vec<_>>()
        );
    }

    #[test]
    fn bodies_are_json_whatever_the_address() {
        let bodies =
            usual().into_iter().map(|question| question.body("a\"b@c.org", "012345", Some("https://x")));
        let bodies: Vec<String> = bodies.collect();
        assert_eq!(bodies[0], r#"{"email":"a\"b@c.org"}"#);
        assert_eq!(bodies[4], r#"{"email":"a\"b@c.org","redirectTo":"https://x"}"#);
        assert_eq!(bodies[5], r#"{"email":"a\"b@c.org","code":"012345"}"#);
    }

    #[test]
    fn what_is_no_document_offers_nothing() {
        assert_eq!(offer("<html>"), None);
        assert_eq!(offer("{}"), None);
        assert_eq!(offer("[1]"), None);
    }
}
