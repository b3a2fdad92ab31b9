//! The form to set a password: rendering it and parsing its fields.

use std::fmt::Write;

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::password::{PASSWORD_MAX, Policy, Weakness};
use reset_words::{PagePhrases, with_number};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{
    icons,
    shell::{Shell, Visit},
};

/// Template of the form.
#[derive(Template)]
#[template(path = "reset.html")]
pub(super) struct Form<'a> {
    shell: Shell<'a>,
    words: &'a PagePhrases,
    title: &'a str,
    lead: &'a str,
    error: Option<FieldError>,
    by_code: bool,
    /// With a code, the submitted address; with a link, the address of the account.
    email: &'a str,
    code: &'a str,
    link: &'a str,
    passwordrules: String,
    notice: &'static str,
    eye: &'static str,
    min: usize,
    max: usize,
    rules: Vec<(&'static str, String)>,
}

/// An error message, and the name of its field. An empty name stands for the whole form.
pub(super) struct FieldError {
    pub(super) field: &'static str,
    pub(super) text: String,
}

/// The submitted fields of the form.
#[derive(Default)]
pub(super) struct FormInput {
    pub(super) by_code: bool,
    pub(super) email: String,
    pub(super) code: Zeroizing<String>,
    /// Tag of the link that the form belongs to.
    pub(super) link: String,
    pub(super) password: Zeroizing<String>,
    /// Whether the form had a field for the password. One without only fills in the form for a code.
    pub(super) has_password: bool,
}

impl<'a> Form<'a> {
    /// Builds the form with the rules of `policy` and the submitted fields, except the password.
    pub(super) fn new(
        visit: &Visit<'a>,
        policy: Policy,
        input: &'a FormInput,
        error: Option<FieldError>,
    ) -> Self {
        let words = visit.words();
        let (title, lead) = if input.by_code {
            (&words.code_title, &words.code_lead)
        } else {
            (&words.reset_title, &words.reset_lead)
        };
        Self {
            shell: visit.shell(),
            words,
            title,
            lead,
            error,
            by_code: input.by_code,
            email: &input.email,
            code: &input.code,
            link: &input.link,
            passwordrules: passwordrules(policy),
            notice: icons::NOTICE,
            eye: icons::EYE,
            min: policy.min,
            max: policy.max_bytes,
            rules: rules(words, policy),
        }
    }

    /// Returns the error of this field; the empty name stands for the whole form.
    fn error_of(&self, field: &str) -> Option<&str> {
        self.error.as_ref().filter(|error| error.field == field).map(|error| error.text.as_str())
    }

    fn has_error(&self, field: &str) -> bool {
        self.error_of(field).is_some()
    }
}

impl FormInput {
    /// Returns the empty fields of a form for a code.
    pub(super) fn for_code() -> Self {
        Self { by_code: true, ..Self::default() }
    }

    /// Parses a submitted form. If a field occurs more than once, the last one counts.
    pub(super) fn parse(form: &[u8]) -> Self {
        let mut input = Self::default();
        for (key, value) in form_urlencoded::parse(form) {
            match &*key {
                "by" => input.by_code = value == "code",
                "email" => input.email = value.into_owned(),
                "code" => input.code = Zeroizing::new(value.into_owned()),
                "link" => input.link = value.into_owned(),
                "password" => {
                    input.has_password = true;
                    input.password = Zeroizing::new(value.into_owned());
                }
                _ => {}
            }
        }
        input
    }

    /// Renders the form again with an error message. It does not repeat the password.
    pub(super) fn form_with(&self, visit: &Visit<'_>, policy: Policy, error: FieldError) -> Response<Bytes> {
        visit.page(StatusCode::BAD_REQUEST, &Form::new(visit, policy, self, Some(error)))
    }
}

impl FieldError {
    /// Returns the error for a password built from account names (R56).
    pub(super) fn own_name(words: &PagePhrases) -> Self {
        Self { field: "password", text: words.weak_names.clone() }
    }

    /// Returns the error for a password that violates the policy.
    pub(super) fn weak(words: &PagePhrases, weakness: Weakness) -> Self {
        let text = match weakness {
            Weakness::TooShort { min } => with_number(&words.weak_min, min),
            Weakness::MissingClass => words.weak_classes.clone(),
            Weakness::Common => words.weak_common.clone(),
            Weakness::TooLong { max_bytes } => with_number(&words.weak_max, max_bytes),
            Weakness::Nul => words.weak_sign.clone(),
        };
        Self { field: "password", text }
    }
}

/// Returns the password rules shown in the form, each with the key under which the script checks it.
fn rules(words: &PagePhrases, policy: Policy) -> Vec<(&'static str, String)> {
    let mut rules = vec![("min", with_number(&words.rule_min, policy.min))];
    if policy.four_classes {
        rules.push(("classes", words.rule_classes.clone()));
    }
    if policy.refuse_common {
        rules.push(("common", words.rule_common.clone()));
    }
    rules.push(("names", words.rule_names.clone()));
    if policy.max_bytes < PASSWORD_MAX {
        rules.push(("max", with_number(&words.rule_max, policy.max_bytes)));
    }
    rules
}

/// Returns the value of the `passwordrules` attribute for password managers (Apple's "Password Rules").
fn passwordrules(policy: Policy) -> String {
    let mut rules = format!("minlength: {};", policy.min);
    if policy.max_bytes < PASSWORD_MAX {
        let _ = write!(rules, " maxlength: {};", policy.max_bytes);
    }
    if policy.four_classes {
        rules.push_str(" required: upper; required: lower; required: digit; required: special;");
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_of_repeated_fields_counts_and_unknown_fields_are_ignored() {
        let input =
            FormInput::parse(b"by=code&email=a%40b.c&email=ann%40example.com&code=1+2&password=p%26q&x=y");
        assert!(input.by_code && input.email == "ann@example.com");
        assert_eq!((input.code.as_str(), input.password.as_str()), ("1 2", "p&q"));
        assert!(!FormInput::parse(b"by=link").by_code && !FormInput::parse(b"").by_code);
    }

    #[test]
    fn passwordrules_attribute_lists_the_policy() {
        let minimal = Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX };
        assert_eq!(passwordrules(minimal), "minlength: 8;");
        let strict = Policy { four_classes: true, max_bytes: 72, ..minimal };
        assert_eq!(
            passwordrules(strict),
            "minlength: 8; maxlength: 72; required: upper; required: lower; required: digit; required: special;"
        );
    }
}
