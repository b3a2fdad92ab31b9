//! What there is to try: the requests of one whole reset through each dialect, for the start page and the terminal alike.

use reset_http::client::{Client, MailedSecret, Step};

use super::PERSON;

/// The password that the commands set.
const NEW_PASSWORD: &str = "A-new-passw0rd-of-mine";
/// Stands in a command for a code that has not been mailed yet.
const CODE: &str = "CODE";
/// Stands in a command for a token that a code has not been exchanged for yet.
const TOKEN: &str = "TOKEN";

/// One reset through one dialect.
#[derive(Clone, Debug)]
pub struct Walkthrough {
    /// How a client speaks the dialect.
    pub client: Client,
    /// The person whose password is reset.
    pub email: &'static str,
}

/// One walkthrough for each of these clients; the second half of them uses the demo's second person, so that the limit of
/// one address lasts longer.
pub fn walkthroughs(clients: impl IntoIterator<Item = Client>) -> Vec<Walkthrough> {
    let clients: Vec<Client> = clients.into_iter().collect();
    let half = clients.len().div_ceil(2);
    let with_person = |(place, client)| {
        let email = if place < half { PERSON } else { super::OTHER_PERSON };
        Walkthrough { client, email }
    };
    clients.into_iter().enumerate().map(with_person).collect()
}

impl Walkthrough {
    /// What the capital letters in the commands stand for.
    pub fn explanation(&self) -> String {
        let mailed = match self.client.mailed {
            MailedSecret::Code => format!("{CODE} is the code in the mail"),
            MailedSecret::Link { parameters } => {
                let each = parameters.iter().map(|name| format!("{} is `{name}`", name.to_uppercase()));
                format!("{} in the mailed link", each.collect::<Vec<_>>().join(", "))
            }
        };
        match &self.client.exchange {
            Some(exchange) => {
                format!("{mailed}; {TOKEN} is `{}` in the response to the second request", exchange.token)
            }
            None => mailed,
        }
    }

    /// Every request, in order.
    pub fn steps(&self) -> Vec<Step> {
        let stand_in = match self.client.mailed {
            MailedSecret::Code => CODE.to_owned(),
            MailedSecret::Link { parameters } => parameters.join("/").to_uppercase(),
        };
        let request = self.client.request_for(self.email);
        [request].into_iter().chain(self.after_code(self.email, &stand_in)).collect()
    }

    /// The requests that follow when a code, or the secret of a link, has been mailed to `email`.
    pub(super) fn after_code(&self, email: &str, mailed: &str) -> Vec<Step> {
        match self.client.exchange_of(email, mailed) {
            Some(exchange) => vec![exchange, self.redeem(TOKEN)],
            None => vec![self.redeem(mailed)],
        }
    }

    /// The requests that follow when `link` has been mailed. It carries what redeems, even if codes are the rule.
    pub(super) fn after_link(&self, link: &str) -> Vec<Step> {
        let last = || link.rsplit_once('=').map_or("", |(_, secret)| secret).to_owned();
        vec![self.redeem(&self.client.secret_in(link).unwrap_or_else(last))]
    }

    fn redeem(&self, secret: &str) -> Step {
        self.client.redeem_with(secret, NEW_PASSWORD)
    }
}

/// The command that sends `step` to `server`, which is whatever curl needs to reach it.
pub fn curl(step: &Step, server: &str) -> String {
    let Step { path, body, .. } = step;
    format!("curl -sS {server}{path} -H 'Content-Type: application/json' \\\n  -d '{body}'; echo")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing;

    fn served(settings: &[(&str, &str)]) -> (BTreeSet<String>, Vec<Walkthrough>) {
        let all = testing::served("http://127.0.0.1:8080", settings);
        let clients: Vec<Client> =
            reset_dialects::names().map(|name| testing::client(&all, name).clone()).collect();
        (
            all.into_iter().flat_map(|dialect| dialect.rows).map(|(path, _)| path).collect(),
            walkthroughs(clients),
        )
    }

    #[test]
    fn every_dialect_has_a_walkthrough_of_rows_that_it_serves() {
        let (rows, all) = served(&[]);
        let names: Vec<&str> = reset_dialects::names().collect();
        assert_eq!(all.iter().map(|one| one.client.dialect).collect::<Vec<_>>(), names);
        for step in all.iter().flat_map(Walkthrough::steps) {
            assert!(rows.contains(&step.path), "{}", step.path);
            let body: serde_json::Value = serde_json::from_str(&step.body).unwrap();
            assert!(body.is_object(), "{}", step.body);
        }
    }

    #[test]
    fn walkthrough_follows_the_settings_of_the_deployment() {
        let (_, all) = served(&[
            ("worthai.base_path", "/v9"),
            ("insforge.method", "link"),
            ("insforge.allowed_redirect_urls", "http://127.0.0.1:8080/reset"),
        ]);
        let of = |name: &str| all.iter().find(|one| one.client.dialect == name).unwrap();
        assert_eq!(of("worthai").steps()[0].path, "/v9/forgot-password");
        let linked = of("insforge").steps();
        assert!(
            linked[0].body.ends_with(r#""redirectTo":"http://127.0.0.1:8080/reset"}"#),
            "{}",
            linked[0].body
        );
        assert_eq!(linked.len(), 2, "no code, nothing to exchange");
    }

    #[test]
    fn explanation_names_every_stand_in_of_the_commands() {
        let all = served(&[]).1;
        let parameters = all.iter().flat_map(|one| match one.client.mailed {
            MailedSecret::Code => &[],
            MailedSecret::Link { parameters } => parameters,
        });
        let mut stand_ins: BTreeSet<String> = parameters.map(|name| name.to_uppercase()).collect();
        stand_ins.extend([CODE.to_owned(), TOKEN.to_owned()]);
        for one in &all {
            let (text, steps) = (one.explanation(), one.steps());
            for name in &stand_ins {
                let used = steps.iter().any(|step| step.body.contains(&format!("\"{name}\"")));
                assert_eq!(text.split([' ', ',', ';']).any(|word| word == *name), used, "{name}: {text}");
            }
        }
    }

    #[test]
    fn command_can_be_copied_into_a_shell() {
        let step = Step::new("x", "/x", r#"{"code":SECRET}"#).with("SECRET", "123456");
        assert_eq!(
            curl(&step, "http://127.0.0.1:8080"),
            "curl -sS http://127.0.0.1:8080/x -H 'Content-Type: application/json' \\\n  -d '{\"code\":\"123456\"}'; echo"
        );
    }
}
