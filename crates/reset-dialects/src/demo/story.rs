//! The sequence of requests of one complete reset, per dialect. The terminal and the start page of the demo show the
//! same requests.

use crate::{DialectSettings, insforge};

/// Placeholder for the address in the body of a step.
pub(super) const EMAIL: &str = "EMAIL";
/// Placeholder for the code in a mail.
pub(super) const CODE: &str = "CODE";
/// Placeholder for the token of a link, or for the token that a code was exchanged for.
pub(super) const TOKEN: &str = "TOKEN";

/// The sequence of requests of one reset through one dialect.
#[derive(Clone, Debug)]
pub struct Story {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// Display name of the dialect.
    pub title: &'static str,
    /// Short description of the dialect's reset.
    pub hint: &'static str,
    /// Explains the placeholders in the requests.
    pub stands: &'static str,
    /// Address of the demo account that the shown requests use.
    pub email: &'static str,
    /// The reset request.
    pub ask: Step,
    /// Placeholder of the mailed secret in the following requests.
    pub secret: &'static str,
    /// The requests to send after the mail has arrived.
    pub then: Vec<Step>,
}

/// One POST request with a JSON body.
#[derive(Clone, Debug)]
pub struct Step {
    /// Path of the request.
    pub path: String,
    /// JSON body, with the placeholders `EMAIL`, `CODE` and `TOKEN`.
    pub body: String,
}

impl Step {
    fn new(path: &str, body: &str) -> Self {
        Self { path: path.to_owned(), body: body.to_owned() }
    }

    /// Replaces the placeholder `name` by `value`, which must not contain characters that JSON escapes.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        Self { body: self.body.replace(name, value), ..self.clone() }
    }

    /// Returns the curl command that sends the request to the base URL `server`.
    pub fn curl(&self, server: &str) -> String {
        let Self { path, body } = self;
        format!("curl -sS {server}{path} -H 'Content-Type: application/json' \\\n  -d '{body}'; echo")
    }
}

impl Story {
    /// Returns all requests in order, for the account `email`.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        [&self.ask].into_iter().chain(&self.then).map(|step| step.with(EMAIL, self.email))
    }
}

/// Returns the story of every dialect that is served.
pub fn stories(served: &DialectSettings) -> Vec<Story> {
    const ALICE: &str = super::SOMEBODY;
    const BOB: &str = "bob@example.com";
    let address = r#"{"email":"EMAIL"}"#;
    let px0 = served.px0.as_ref().map(|_| Story {
        dialect: crate::px0::NAME,
        title: "px0",
        hint: "a code by mail, which alone identifies the account",
        stands: "CODE is the code in the mail",
        email: ALICE,
        ask: Step::new("/v1/auth/password-reset/trigger", address),
        secret: CODE,
        then: vec![Step::new(
            "/v1/auth/password-reset/reset",
            r#"{"code":"CODE","new_password":"A-new-passw0rd-of-mine"}"#,
        )],
    });
    let worthai = served.worthai.as_ref().map(|worthai| Story {
        dialect: crate::worthai::NAME,
        title: "worthai",
        hint: "a link by mail, containing a signed token",
        stands: "TOKEN is the reset_token in the mailed link",
        email: ALICE,
        ask: Step::new(&format!("{}/forgot-password", worthai.base_path), address),
        secret: TOKEN,
        then: vec![Step::new(
            &format!("{}/reset-password", worthai.base_path),
            r#"{"reset_token":"TOKEN","password":"A-new-passw0rd-of-mine"}"#,
        )],
    });
    let strapi = served.strapi.as_ref().map(|_| Story {
        dialect: crate::strapi::NAME,
        title: "Strapi",
        hint: "a link by mail",
        stands: "CODE is the code in the mailed link",
        email: BOB,
        ask: Step::new("/api/auth/forgot-password", address),
        secret: CODE,
        then: vec![Step::new(
            "/api/auth/reset-password",
            r#"{"code":"CODE","password":"A-new-passw0rd-of-mine","passwordConfirmation":"A-new-passw0rd-of-mine"}"#,
        )],
    });
    [px0, worthai, strapi, served.insforge.as_ref().map(insforge)].into_iter().flatten().collect()
}

/// Returns the story of InsForge, with a code or a link according to `insforge.method`.
fn insforge(settings: &insforge::InsForgeSettings) -> Story {
    const SEND: &str = "/api/auth/email/send-reset-password";
    let reset = Step::new(
        "/api/auth/email/reset-password",
        r#"{"newPassword":"A-new-passw0rd-of-mine","otp":"TOKEN"}"#,
    );
    let exchange =
        Step::new("/api/auth/email/exchange-reset-password-token", r#"{"email":"EMAIL","code":"CODE"}"#);
    let (hint, stands, ask, secret, then) = match settings.method {
        insforge::Method::Code => (
            "a code by mail, exchanged for a token",
            "CODE is the code in the mail, TOKEN the token in the response to the second request",
            Step::new(SEND, r#"{"email":"EMAIL"}"#),
            CODE,
            vec![exchange, reset],
        ),
        insforge::Method::Link => (
            "a link by mail, to a page listed in insforge.allowed_redirect_urls",
            "TOKEN is the token in the mailed link",
            Step::new(SEND, r#"{"email":"EMAIL","redirectTo":"PAGE"}"#)
                .with("PAGE", &format!("{}/reset", settings.public_url)),
            TOKEN,
            vec![reset],
        ),
    };
    Story {
        dialect: insforge::NAME,
        title: "InsForge",
        hint,
        stands,
        email: "bob@example.com",
        ask,
        secret,
        then,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use reset_core::keys::Key;

    use super::*;
    use crate::dialects;

    fn settings() -> DialectSettings {
        DialectSettings::defaults(&Key::shared(&[1; 32]), "http://127.0.0.1:8080")
    }

    #[test]
    fn every_served_dialect_has_a_story_of_served_paths_and_a_disabled_one_has_none() {
        let rows: BTreeSet<String> =
            dialects(settings()).into_iter().flat_map(|dialect| dialect.rows).map(|(path, _)| path).collect();
        let all = stories(&settings());
        assert_eq!(all.iter().map(|story| story.dialect).collect::<Vec<_>>(), crate::NAMES);
        for step in all.iter().flat_map(Story::steps) {
            assert!(rows.contains(&step.path), "{}", step.path);
            let body: serde_json::Value = serde_json::from_str(&step.body).unwrap();
            assert!(body.is_object() && !step.body.contains(EMAIL), "{}", step.body);
        }
        let three = stories(&DialectSettings { px0: None, ..settings() });
        assert!(three.len() == 3 && three.iter().all(|story| story.dialect != "px0"));
    }

    #[test]
    fn stories_follow_the_base_path_and_the_method_in_the_settings() {
        let mut settings = settings();
        settings.worthai.as_mut().unwrap().base_path = "/v9".into();
        settings.insforge.as_mut().unwrap().method = insforge::Method::Link;
        let all = stories(&settings);
        assert_eq!(all[1].ask.path, "/v9/forgot-password");
        let linked: Vec<Step> = all[3].steps().collect();
        assert_eq!(
            linked[0].body,
            r#"{"email":"bob@example.com","redirectTo":"http://127.0.0.1:8080/reset"}"#
        );
        assert_eq!(linked.len(), 2, "a link needs no exchange");
    }

    #[test]
    fn step_renders_as_a_complete_curl_command() {
        let step = Step::new("/x", r#"{"code":"CODE"}"#).with(CODE, "123456");
        assert_eq!(
            step.curl("http://127.0.0.1:8080"),
            "curl -sS http://127.0.0.1:8080/x -H 'Content-Type: application/json' \\\n  -d '{\"code\":\"123456\"}'; echo"
        );
    }
}
