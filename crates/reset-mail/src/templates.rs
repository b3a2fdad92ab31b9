//! Renders the parts of a mail from phrases, with the built-in layouts or a deployment's custom templates.
//!
//! Each kind of mail has one built-in layout, which prints the phrases of a language. A custom template replaces one
//! part of one kind of mail: for all languages or one, for all dialects or one. The most specific template wins: one for
//! the dialect before one for all dialects, and within these the exact tag, then its language, then all languages.

mod directory;
mod fault;
mod judge;
mod samples;
mod strong;
mod trial;
mod vars;
mod wrap;

use std::path::Path;

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use reset_core::language::Language;
use reset_words::Catalogue;
use tracing::error;

use self::{
    directory::{LAYOUT, Role, Slot},
    judge::check_part,
    strong::strong,
    vars::{BodyVars, TemplateVars},
    wrap::wrap,
};
pub use self::{fault::BadTemplate, trial::Trial};
pub(crate) use self::{samples::sample_mail, vars::MailContext};
use crate::mail_kind::{MailKind, Part};

/// The built-in layouts by name. Output of those that end in `.html` is escaped.
const LAYOUTS: [(&str, &str); 15] = [
    ("layout.html", include_str!("layouts/layout.html")),
    ("button.html", include_str!("layouts/button.html")),
    ("details.html", include_str!("layouts/details.html")),
    ("details.txt", include_str!("layouts/details.txt")),
    ("link.html", include_str!("layouts/link.html")),
    ("signature.txt", include_str!("layouts/signature.txt")),
    ("reset-code.subject", SUBJECT),
    ("reset-code.txt", include_str!("layouts/reset-code.txt")),
    ("reset-code.html", include_str!("layouts/reset-code.html")),
    ("reset-link.subject", SUBJECT),
    ("reset-link.txt", include_str!("layouts/reset-link.txt")),
    ("reset-link.html", include_str!("layouts/reset-link.html")),
    ("password-changed.subject", SUBJECT),
    ("password-changed.txt", include_str!("layouts/password-changed.txt")),
    ("password-changed.html", include_str!("layouts/password-changed.html")),
];

/// A subject is one phrase.
const SUBJECT: &str = "{{ phrases.subject }}";

/// Renders the parts of mails.
pub struct Templates {
    built_in: Environment<'static>,
    catalogue: Catalogue,
    /// Tag of the fallback language.
    default: String,
    custom: Option<CustomTemplates>,
}

/// The deployment's templates, compiled in one environment with the built-in ones.
struct CustomTemplates {
    env: Environment<'static>,
    /// Whether the frame of the HTML parts is the deployment's.
    layout: bool,
    /// Each file and its slot.
    slots: Vec<(String, Slot)>,
}

/// The parts of a mail.
pub(crate) struct Parts {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Language of a mail.
struct MailLanguage {
    /// The tag and its prefixes: `zh-hant-tw`, `zh-hant`, `zh`.
    chain: Vec<String>,
    /// The language of the phrases; `None` if only custom templates cover the tag.
    language: Option<Language>,
}

impl Templates {
    /// Creates the built-in templates. `default` is the tag of the fallback language.
    pub fn built_in(default: &str) -> Self {
        let mut built_in = Environment::new();
        // A template may test whether a variable is defined, but must not print an undefined or misspelled one.
        built_in.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        built_in.add_filter("wrap", wrap);
        built_in.add_filter("strong", strong);
        for (name, source) in LAYOUTS {
            built_in.add_template(name, source).expect("the built-in layouts are well-formed");
        }
        Self { built_in, catalogue: Catalogue::default(), default: default.to_owned(), custom: None }
    }

    /// Reads the custom templates of `dir`, if given. Its folders are named after `dialects`.
    ///
    /// # Errors
    /// Returns the first fault of a template.
    pub fn new(default: &str, dir: Option<&Path>, dialects: &[&str]) -> Result<Self, BadTemplate> {
        let (templates, trials) = Self::tried(default, dir, dialects);
        trials.into_iter().try_for_each(|trial| trial.outcome)?;
        Ok(templates)
    }

    /// Does the same as [`Self::new`], and returns the trial of each template in each of its languages. The templates
    /// can be used even after a failed trial: the built-in layouts replace a template that fails.
    pub fn tried(default: &str, dir: Option<&Path>, dialects: &[&str]) -> (Self, Vec<Trial>) {
        let mut templates = Self::built_in(default);
        let mut trials = Vec::new();
        if let Some(dir) = dir {
            let (files, faults) = directory::read(dir, dialects);
            trials.extend(faults.into_iter().map(Trial::from));
            let (custom, faults) = CustomTemplates::new(&templates.built_in, files);
            trials.extend(faults.into_iter().map(Trial::from));
            templates.custom = Some(custom);
        }
        trials.extend(templates.run_trials());
        (templates, trials)
    }

    /// Returns whether every kind of mail can be rendered in the language of `tag`.
    pub fn speaks(&self, tag: &str) -> bool {
        MailKind::ALL.iter().all(|kind| self.language_of(tag, *kind, "").is_some())
    }

    /// Renders a mail. If a custom template fails despite its trial at startup, the built-in layout replaces it.
    pub(crate) fn render(&self, context: MailContext<'_>) -> Parts {
        let mail_language = self.choose_language(&context);
        match self.try_render(&context, &mail_language, self.custom.as_ref()) {
            Ok(parts) => parts,
            Err(fault) => {
                // The description of the fault is not logged, because it may quote the mail.
                error!(
                    template.file = fault.file,
                    template.line = fault.line,
                    "mail template failed, using the built-in layout"
                );
                let language = mail_language.language.or_else(|| Language::of(&self.default));
                let mail_language =
                    MailLanguage { language: language.or(Some(Language::En)), ..mail_language };
                self.try_render(&context, &mail_language, None)
                    .expect("the built-in layouts use only defined variables")
            }
        }
    }

    fn try_render(
        &self,
        context: &MailContext<'_>,
        mail_language: &MailLanguage,
        custom: Option<&CustomTemplates>,
    ) -> Result<Parts, BadTemplate> {
        let choose = |part| {
            custom.and_then(|custom| custom.choose(context.kind, part, context.dialect, mail_language))
        };
        let lang = choose(Part::Html).and_then(|(_, slot)| slot.locale.as_deref());
        let mut vars = self.vars(context, mail_language, lang);
        let write = |part, vars: &TemplateVars<'_>| match (custom, choose(part)) {
            (Some(custom), Some((file, _))) => custom.render(file, part, vars, context.secret()),
            (Some(custom), None) if custom.layout && part == Part::Html => {
                custom.render(&layout_of(context.kind, part), part, vars, context.secret())
            }
            _ => {
                let name = layout_of(context.kind, part);
                render(&self.built_in, &name, vars).map_err(|error| BadTemplate::of(&name, &error))
            }
        };
        // The secret is undefined while the subject is rendered.
        let subject = write(Part::Subject, &vars)?.trim().to_owned();
        vars.body = BodyVars::of(context, subject.clone());
        let (text, html) = (write(Part::Text, &vars)?, write(Part::Html, &vars)?);
        Ok(Parts { subject, text, html })
    }

    fn choose_language(&self, context: &MailContext<'_>) -> MailLanguage {
        let mut tags = context.locale.into_iter().chain([self.default.as_str()]);
        let mail_language = tags.find_map(|tag| self.language_of(tag, context.kind, context.dialect));
        mail_language.unwrap_or(MailLanguage { chain: Vec::new(), language: Some(Language::En) })
    }

    /// Returns the language of `tag`, if built-in phrases or a complete set of custom templates cover it.
    fn language_of(&self, tag: &str, kind: MailKind, dialect: &str) -> Option<MailLanguage> {
        // A POSIX suffix such as in `de_CH.UTF-8` is not part of the tag.
        let tag = tag.split(['.', '@']).next().unwrap_or_default();
        let mail_language = MailLanguage { chain: prefixes(tag), language: Language::of(tag) };
        let complete = || {
            let chosen = |part| {
                self.custom.as_ref().and_then(|custom| custom.choose(kind, part, dialect, &mail_language))
            };
            Part::ALL.into_iter().all(|part| chosen(part).is_some())
        };
        (!mail_language.chain.is_empty() && (mail_language.language.is_some() || complete()))
            .then_some(mail_language)
    }
}

impl CustomTemplates {
    /// Compiles the files, and returns a fault for each that does not compile.
    fn new(built_in: &Environment<'static>, files: Vec<directory::TemplateFile>) -> (Self, Vec<BadTemplate>) {
        let mut custom = Self { env: built_in.clone(), layout: false, slots: Vec::new() };
        let mut faults = Vec::new();
        for directory::TemplateFile { file, role, source } in files {
            if let Err(error) = custom.env.add_template_owned(file.clone(), source) {
                faults.push(BadTemplate::of(&file, &error));
                continue;
            }
            match role {
                Role::Layout => {
                    // The indirection makes the engine report the file's own name in errors.
                    let frame = custom.env.add_template("layout.html", "{% extends \"layout.html.j2\" %}");
                    frame.expect("the template is valid");
                    custom.layout = true;
                }
                Role::Part(slot) => custom.slots.push((file, slot)),
            }
        }
        (custom, faults)
    }

    /// Returns the most specific template for a part of a mail. A template for all languages prints the built-in
    /// phrases, so it does not apply to a language without them.
    fn choose(
        &self,
        kind: MailKind,
        part: Part,
        dialect: &str,
        mail_language: &MailLanguage,
    ) -> Option<(&str, &Slot)> {
        let all_languages = mail_language.language.map(|_| None);
        let locales = || mail_language.chain.iter().map(Some).chain(all_languages);
        let candidates =
            [Some(dialect), None].into_iter().flat_map(|of| locales().map(move |locale| (of, locale)));
        candidates.into_iter().find_map(|(dialect, locale)| {
            let matches = |slot: &Slot| {
                slot.kind == kind
                    && slot.part == part
                    && slot.dialect.as_deref() == dialect
                    && slot.locale.as_deref().map(normalized).as_ref() == locale
            };
            self.slots.iter().find(|(_, slot)| matches(slot)).map(|(file, slot)| (file.as_str(), slot))
        })
    }

    /// Renders a template, and checks the result.
    fn render(
        &self,
        name: &str,
        part: Part,
        vars: &TemplateVars<'_>,
        secret: Option<&str>,
    ) -> Result<String, BadTemplate> {
        let file = if is_custom(name) { name } else { LAYOUT };
        let rendered = render(&self.env, name, vars).map_err(|error| BadTemplate::of(file, &error))?;
        let checked = if part == Part::Subject { rendered.trim() } else { &rendered };
        check_part(part, checked, secret).map_err(|what| BadTemplate::new(file, what))?;
        Ok(rendered)
    }
}

/// Renders a template and removes every CR: lettre turns each LF into CRLF, and some servers treat a bare CR as a line
/// end while others do not (R24).
fn render(env: &Environment<'_>, name: &str, vars: &TemplateVars<'_>) -> Result<String, minijinja::Error> {
    Ok(env.get_template(name)?.render(Serde(vars))?.replace('\r', ""))
}

/// Returns the name of the built-in layout for a part.
fn layout_of(kind: MailKind, part: Part) -> String {
    format!("{}.{}", kind.name(), part.name())
}

/// Returns whether a template is custom: names of built-in ones do not end in `.j2`.
fn is_custom(name: &str) -> bool {
    name.strip_suffix(".j2").is_some()
}

/// Normalizes a tag for comparison: `zh_Hant` becomes `zh-hant`.
fn normalized(tag: &str) -> String {
    tag.replace('_', "-").to_ascii_lowercase()
}

/// Returns a tag and its prefixes, longest first: `zh-hant-tw`, `zh-hant`, `zh`. Empty if `tag` is not a tag.
fn prefixes(tag: &str) -> Vec<String> {
    /// RFC 5646, 4.4.1.
    const MAX_LENGTH: usize = 35;
    let tag = normalized(tag);
    let subtags: Vec<&str> = tag.split('-').collect();
    let is_subtag = |subtag: &str| {
        (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let is_language = |primary: &str| {
        (2..=8).contains(&primary.len()) && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    if tag.len() > MAX_LENGTH || !is_language(subtags[0]) || !subtags.iter().all(|subtag| is_subtag(subtag)) {
        return Vec::new();
    }
    (1..=subtags.len()).rev().map(|count| subtags[..count].join("-")).collect()
}

#[cfg(test)]
mod tests;
