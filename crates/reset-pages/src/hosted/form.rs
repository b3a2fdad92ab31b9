//! The form on which a password is set: what it shows, and what comes back from it.

use std::fmt::Write;

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::password::{PASSWORD_MAX, Policy, Weakness};
use reset_words::{PagePhrases, with_number};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::shell::{Shell, Visit};

/// The form.
#[derive(Template)]
#[template(path = "reset.html")]
pub(super) struct Form<'a> {
    shell: Shell<'a>,
    words: &'a PagePhrases,
    title: &'a str,
    lead: &'a str,
    fault: Option<Fault>,
    by_code: bool,
    /// Typed with a code; with a link, whose account it is.
    email: &'a str,
    code: &'a str,
    link: &'a str,
    passwordrules: String,
    min: usize,
    max: usize,
    rules: Vec<(&'static str, String)>,
}

/// What is wrong, and in which field; in none, where the field is empty.
pub(super) struct Fault {
    pub(super) field: &'static str,
    pub(super) text: String,
}

/// What a form says.
#[derive(Default)]
pub(super) struct Typed {
    pub(super) by_code: bool,
    pub(super) email: String,
    pub(super) code: Zeroizing<String>,
    /// The tag of the link that the form is for.
    pub(super) link: String,
    pub(super) password: Zeroizing<String>,
}

impl<'a> Form<'a> {
    /// The form with the rules of `policy` and what was typed before, but for the password.
    pub(super) fn new(visit: &Visit<'a>, policy: Policy, typed: &'a Typed, fault: Option<Fault>) -> Self {
        let words = visit.words();
        let (title, lead) = if typed.by_code {
            (&words.code_title, &words.code_lead)
        } else {
            (&words.reset_title, &words.reset_lead)
        };
        Self {
            shell: visit.shell(),
            words,
            title,
            lead,
            fault,
            by_code: typed.by_code,
            email: &typed.email,
            code: &typed.code,
            link: &typed.link,
            passwordrules: passwordrules(policy),
            min: policy.min,
            max: policy.max_bytes,
            rules: rules(words, policy),
        }
    }

    /// Whether what is wrong is in this field.
    fn is_at(&self, field: &str) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.field == field)
    }
}

impl Typed {
    /// A form for a code with nothing typed.
    pub(super) fn by_code() -> Self {
        Self { by_code: true, ..Self::default() }
    }

    /// Of several fields of a name the last counts.
    pub(super) fn read(form: &[u8]) -> Self {
        let mut typed = Self::default();
        for (key, value) in form_urlencoded::parse(form) {
            match &*key {
                "by" => typed.by_code = value == "code",
                "email" => typed.email = value.into_owned(),
                "code" => typed.code = Zeroizing::new(value.into_owned()),
                "link" => typed.link = value.into_owned(),
                "password" => typed.password = Zeroizing::new(value.into_owned()),
                _ => {}
            }
        }
        typed
    }

    /// The form once more, with what is wrong. The password has to be typed again.
    pub(super) fn again(&self, visit: &Visit<'_>, policy: Policy, fault: Fault) -> Response<Bytes> {
        visit.page(StatusCode::BAD_REQUEST, &Form::new(visit, policy, self, Some(fault)))
    }
}

impl Fault {
    /// The password is made of names (R56).
    pub(super) fn own_name(words: &PagePhrases) -> Self {
        Self { field: "password", text: words.weak_names.clone() }
    }

    /// What is wrong with a password.
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

/// The rules for people, each with the name by which the script judges it.
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

/// The rules for password managers (Apple's "Password Rules").
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
    fn of_several_fields_the_last_counts_and_strangers_do_not() {
        let typed = Typed::read(b"by=code&email=a%40b.c&email=ann%40example.com&code=1+2&password=p%26q&x=y");
        assert!(typed.by_code && typed.email == "ann@example.com");
        assert_eq!((typed.code.as_str(), typed.password.as_str()), ("1 2", "p&q"));
        assert!(!Typed::read(b"by=link").by_code && !Typed::read(b"").by_code);
    }

    #[test]
    fn password_managers_are_told_the_rules() {
        let open = Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX };
        assert_eq!(passwordrules(open), "minlength: 8;");
        let strict = Policy { four_classes: true, max_bytes: 72, ..open };
        assert_eq!(
            passwordrules(strict),
            "minlength: 8; maxlength: 72; required: upper; required: lower; required: digit; required: special;"
        );
    }
}
