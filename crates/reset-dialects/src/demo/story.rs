//! What there is to try, dialect by dialect: the requests of one whole reset. The terminal and the start page tell the same.

use crate::{DialectSettings, insforge};

/// Stands for an address in the body of a step.
pub(super) const EMAIL: &str = "EMAIL";
/// Stands for the code of a mail.
pub(super) const CODE: &str = "CODE";
/// Stands for the token of a link, or for one that a code was exchanged for.
pub(super) const TOKEN: &str = "TOKEN";

/// One reset by one dialect.
#[derive(Clone, Debug)]
pub struct Story {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// What the dialect is called.
    pub title: &'static str,
    /// How its resets go.
    pub hint: &'static str,
    /// What stands in the requests for what is not known yet.
    pub stands: &'static str,
    /// Whose reset it usually is.
    pub email: &'static str,
    /// The request that asks for it.
    pub ask: Step,
    /// What stands for the secret of the mail in what follows.
    pub secret: &'static str,
    /// The requests that follow when the mail is there.
    pub then: Vec<Step>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it is posted to.
    pub path: String,
    /// Its JSON, with `EMAIL`, `CODE` and `TOKEN` for what is not known yet.
    pub body: String,
}

impl Step {
    fn new(path: &str, body: &str) -> Self {
        Self { path: path.to_owned(), body: body.to_owned() }
    }

    /// The same with `value`, which has no character that JSON escapes, in the place of `name`.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        Self { body: self.body.replace(name, value), ..self.clone() }
    }

    /// The command that sends it to `server`, what curl needs to get there.
    pub fn curl(&self, server: &str) -> String {
        let Self { path, body } = self;
        format!("curl -sS {server}{path} -H 'Content-Type: application/json' \\\n  -d '{body}'; echo")
    }
}

impl Story {
    /// Every request for the usual person, in order.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        [&self.ask].into_iter().chain(&self.then).map(|step| step.with(EMAIL, self.email))
    }
}

/// A story for each dialect that is served.
pub fn stories(served: &DialectSettings) -> Vec<Story> {
    const ALICE: &str = super::SOMEBODY;
    const BOB: &str = "bob@example.com";
    let address = r#"{"email":"EMAIL"}"#;
    let px0 = served.px0.as_ref().map(|_| Story {
        dialect: crate::px0::NAME,
        title: "px0",
        hint: "a code by mail, and the code alone names the account",
        stands: "CODE is the code of the mail",
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
        hint: "a link by mail, with a signed token in it",
        stands: "TOKEN is the reset_token of the mailed link",
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
        stands: "CODE is the code of the mailed link",
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

/// By a code or by a link, as the deployment has chosen.
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
            "CODE is the code of the mail, TOKEN the token in the answer to the second request",
            Step::new(SEND, r#"{"email":"EMAIL"}"#),
            CODE,
            vec![exchange, reset],
        ),
        insforge::Method::Link => (
            "a link by mail, to a page that insforge.allowed_redirect_urls has",
            "TOKEN is the token of the mailed link",
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
    fn every_dialect_has_a_story_of_rows_that_it_serves_and_a_dialect_that_is_off_has_none() {
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
    fn paths_and_ways_are_those_of_the_deployment() {
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
        assert_eq!(linked.len(), 2, "no code, nothing to exchange");
    }

    #[test]
    fn a_step_is_a_command_that_can_be_copied() {
        let step = Step::new("/x", r#"{"code":"CODE"}"#).with(CODE, "123456");
        assert_eq!(
            step.curl("http://127.0.0.1:8080"),
            "curl -sS http://127.0.0.1:8080/x -H 'Content-Type: application/json' \\\n  -d '{\"code\":\"123456\"}'; echo"
        );
    }
}
