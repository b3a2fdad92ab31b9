//! How phrases become the parts of a mail: by our own layouts, compiled in, or by a deployment's templates.
//!
//! Each kind of mail has one layout, with the language's phrases in it. A deployment's template takes the place of
//! one part of one kind of mail: for all languages or one, for all dialects or one. What is nearest is taken:
//! the dialect's before those for all, and of either the exact tag, then its language, then those for all languages.

mod directory;
mod fault;
mod judge;
mod samples;
mod trial;
mod wrap;

use std::{collections::BTreeMap, path::Path, time::Duration};

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use reset_core::language::{Language, direction};
use reset_words::{Catalogue, symbols};
use serde::Serialize;
use tracing::error;

pub(crate) use self::samples::sample_mail;
use self::{
    directory::{LAYOUT, Role, Slot},
    judge::judge,
    wrap::wrap,
};
pub use self::{fault::BadTemplate, trial::Trial};
use crate::{
    catalogue,
    mail_kind::{MailKind, Part},
};

/// Our layouts, by name. What ends with `.html` is escaped.
const LAYOUTS: [(&str, &str); 10] = [
    ("layout.html", include_str!("layouts/layout.html")),
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

/// Subjects are phrases alone.
const SUBJECT: &str = "{{ phrases.subject }}";

/// Writes the parts of mails.
pub struct Templates {
    ours: Environment<'static>,
    words: Catalogue,
    /// The tag of whoever speaks no language that there are texts in.
    default: String,
    own: Option<Own>,
}

/// The deployment's templates, beside ours.
struct Own {
    env: Environment<'static>,
    /// Whether the frame of our own pages is the deployment's.
    layout: bool,
    /// Files, and what each is for.
    slots: Vec<(String, Slot)>,
}

/// What a mail is to say, and to whom.
#[derive(Clone, Copy)]
pub(crate) struct MailContext<'a> {
    pub(crate) kind: MailKind,
    pub(crate) dialect: &'a str,
    /// Language, as a BCP 47 tag.
    pub(crate) locale: Option<&'a str>,
    /// Whose name is below.
    pub(crate) sender: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) code: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    pub(crate) lifetime: Option<Duration>,
}

impl MailContext<'_> {
    fn secret(&self) -> Option<&str> {
        self.code.or(self.url)
    }
}

/// The parts of a mail.
pub(crate) struct Parts {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// In what language a mail is written.
struct Speech {
    /// The tag and what it is a part of: `zh-hant-tw`, `zh-hant`, `zh`.
    chain: Vec<String>,
    /// Whose phrases; nothing where all that is said is the deployment's.
    language: Option<Language>,
}

/// What templates can say. What a mail does not have is undefined: to print it is a fault, to ask for it is not.
#[derive(Serialize)]
struct LanguagePhrases<'a> {
    sender: &'a str,
    dialect: &'a str,
    lang: &'a str,
    dir: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    phrases: BTreeMap<&'a str, String>,
}

impl Templates {
    /// Our layouts alone. `default` is the tag of whoever speaks no language that there are texts in.
    pub fn ours(default: &str) -> Self {
        let mut ours = Environment::new();
        // To ask whether there is a name is allowed; to print one that is not there, or a slip of the pen, is not.
        ours.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        ours.add_filter("wrap", wrap);
        for (name, source) in LAYOUTS {
            ours.add_template(name, source).expect("the layouts compiled in are well-formed");
        }
        Self { ours, words: Catalogue::default(), default: default.to_owned(), own: None }
    }

    /// Our layouts, and the templates of the directory `own`, where there is one. `dialects` are the names that it may
    /// have folders of.
    ///
    /// # Errors
    /// The first template that cannot be used.
    pub fn new(default: &str, own: Option<&Path>, dialects: &[&str]) -> Result<Self, BadTemplate> {
        let (templates, trials) = Self::tried(default, own, dialects);
        trials.into_iter().try_for_each(|trial| trial.outcome)?;
        Ok(templates)
    }

    /// The same, with what became of each template in each language that it is for. Whatever the outcome, mails can
    /// be written: in our own layouts where a template fails.
    pub fn tried(default: &str, own: Option<&Path>, dialects: &[&str]) -> (Self, Vec<Trial>) {
        let mut templates = Self::ours(default);
        let mut trials = Vec::new();
        if let Some(dir) = own {
            let (files, faults) = directory::read(dir, dialects);
            trials.extend(faults.into_iter().map(Trial::from));
            let (own, faults) = Own::new(&templates.ours, files);
            trials.extend(faults.into_iter().map(Trial::from));
            templates.own = Some(own);
        }
        trials.extend(templates.try_out());
        (templates, trials)
    }

    /// Whether every kind of mail can be written in the language of `tag`.
    pub fn speaks(&self, tag: &str) -> bool {
        MailKind::ALL.iter().all(|kind| self.speech_of(tag, *kind, "").is_some())
    }

    /// Writes a mail. A template of the deployment's that fails, though it was tried at the start, costs the mail
    /// its look and nothing else.
    pub(crate) fn write(&self, context: MailContext<'_>) -> Parts {
        let speech = self.speech(&context);
        match self.try_write(&context, &speech, self.own.as_ref()) {
            Ok(parts) => parts,
            Err(fault) => {
                // The fault may quote what is in the mail.
                error!(template = fault.file, line = fault.line, "a mail template failed: ours is taken");
                let language = speech.language.or_else(|| Language::of(&self.default));
                let speech = Speech { language: language.or(Some(Language::En)), ..speech };
                self.try_write(&context, &speech, None)
                    .expect("the layouts compiled in use what they are given")
            }
        }
    }

    fn try_write(
        &self,
        context: &MailContext<'_>,
        speech: &Speech,
        own: Option<&Own>,
    ) -> Result<Parts, BadTemplate> {
        let choose = |part| own.and_then(|own| own.choose(context.kind, part, context.dialect, speech));
        let lang = choose(Part::Html).and_then(|(_, slot)| slot.locale.as_deref());
        let mut words = self.words(context, speech, lang);
        let write = |part, words: &LanguagePhrases<'_>| match (own, choose(part)) {
            (Some(own), Some((file, _))) => own.render(file, part, words, context.secret()),
            (Some(own), None) if own.layout && part == Part::Html => {
                own.render(&layout_of(context.kind, part), part, words, context.secret())
            }
            _ => {
                let name = layout_of(context.kind, part);
                render(&self.ours, &name, words).map_err(|error| BadTemplate::of(&name, &error))
            }
        };
        // No subject can name what it does not know.
        let subject = write(Part::Subject, &words)?.trim().to_owned();
        (words.code, words.url, words.subject) = (context.code, context.url, Some(subject.clone()));
        let (text, html) = (write(Part::Text, &words)?, write(Part::Html, &words)?);
        Ok(Parts { subject, text, html })
    }

    /// The words of a subject; the other parts have more.
    fn words<'a>(
        &'a self,
        context: &MailContext<'a>,
        speech: &Speech,
        lang: Option<&'a str>,
    ) -> LanguagePhrases<'a> {
        let mail = speech.language.map(|language| &self.words.of(language).mail);
        let lang = lang.or(speech.language.map(Language::tag)).unwrap_or_default();
        let lifetime = context
            .lifetime
            .map(|lifetime| mail.map_or_else(|| symbols(lifetime), |mail| mail.lifetime(lifetime)));
        let phrases =
            mail.map(|mail| catalogue::phrases(mail, context.kind, context.name, lifetime.as_deref()));
        LanguagePhrases {
            sender: context.sender,
            dialect: context.dialect,
            lang,
            dir: direction(lang),
            name: context.name,
            code: None,
            url: None,
            lifetime,
            subject: None,
            phrases: phrases.unwrap_or_default(),
        }
    }

    fn speech(&self, context: &MailContext<'_>) -> Speech {
        let mut tags = context.locale.into_iter().chain([self.default.as_str()]);
        let speech = tags.find_map(|tag| self.speech_of(tag, context.kind, context.dialect));
        speech.unwrap_or(Speech { chain: Vec::new(), language: Some(Language::En) })
    }

    /// How to write in the language of `tag`: with our phrases, or all by the deployment's own templates.
    fn speech_of(&self, tag: &str, kind: MailKind, dialect: &str) -> Option<Speech> {
        // What other systems write behind it, as in `de_CH.UTF-8`, is no part of the tag.
        let tag = tag.split(['.', '@']).next().unwrap_or_default();
        let speech = Speech { chain: prefixes(tag), language: Language::of(tag) };
        let whole = || {
            let chosen = |part| self.own.as_ref().and_then(|own| own.choose(kind, part, dialect, &speech));
            Part::ALL.into_iter().all(|part| chosen(part).is_some())
        };
        (!speech.chain.is_empty() && (speech.language.is_some() || whole())).then_some(speech)
    }
}

impl Own {
    /// The files, compiled; what cannot be is a fault each.
    fn new(ours: &Environment<'static>, files: Vec<directory::Own>) -> (Self, Vec<BadTemplate>) {
        let mut own = Self { env: ours.clone(), layout: false, slots: Vec::new() };
        let mut faults = Vec::new();
        for directory::Own { file, role, source } in files {
            if let Err(error) = own.env.add_template_owned(file.clone(), source) {
                faults.push(BadTemplate::of(&file, &error));
                continue;
            }
            match role {
                Role::Layout => {
                    // A detour, so that the engine blames the file by its name.
                    let frame = own.env.add_template("layout.html", "{% extends \"layout.html.j2\" %}");
                    frame.expect("a sound template");
                    own.layout = true;
                }
                Role::Part(slot) => own.slots.push((file, slot)),
            }
        }
        (own, faults)
    }

    /// The template for a part of a mail, the nearest first. Those for all languages have their words from our
    /// phrases, so they say nothing in a language that we have none in.
    fn choose(&self, kind: MailKind, part: Part, dialect: &str, speech: &Speech) -> Option<(&str, &Slot)> {
        let all_languages = speech.language.map(|_| None);
        let locales = || speech.chain.iter().map(Some).chain(all_languages);
        let candidates =
            [Some(dialect), None].into_iter().flat_map(|of| locales().map(move |locale| (of, locale)));
        candidates.into_iter().find_map(|(dialect, locale)| {
            let fits = |slot: &Slot| {
                slot.kind == kind
                    && slot.part == part
                    && slot.dialect.as_deref() == dialect
                    && slot.locale.as_deref().map(normal).as_ref() == locale
            };
            self.slots.iter().find(|(_, slot)| fits(slot)).map(|(file, slot)| (file.as_str(), slot))
        })
    }

    /// Renders a template, and judges what comes out.
    fn render(
        &self,
        name: &str,
        part: Part,
        words: &LanguagePhrases<'_>,
        secret: Option<&str>,
    ) -> Result<String, BadTemplate> {
        let file = if is_own(name) { name } else { LAYOUT };
        let rendered = render(&self.env, name, words).map_err(|error| BadTemplate::of(file, &error))?;
        let judged = if part == Part::Subject { rendered.trim() } else { &rendered };
        judge(part, judged, secret).map_err(|what| BadTemplate::new(file, what))?;
        Ok(rendered)
    }
}

/// Renders without a bare CR: lettre makes each LF a CRLF, and a CR left over would be a line end to
/// some servers and none to others (R24).
fn render(
    env: &Environment<'_>,
    name: &str,
    words: &LanguagePhrases<'_>,
) -> Result<String, minijinja::Error> {
    Ok(env.get_template(name)?.render(Serde(words))?.replace('\r', ""))
}

/// Name of our layout for a part.
fn layout_of(kind: MailKind, part: Part) -> String {
    format!("{}.{}", kind.name(), part.name())
}

/// Whether a template is the deployment's, by its name: ours do not end in `.j2`.
fn is_own(name: &str) -> bool {
    name.strip_suffix(".j2").is_some()
}

/// A tag for comparison: `zh_Hant` as `zh-hant`.
fn normal(tag: &str) -> String {
    tag.replace('_', "-").to_ascii_lowercase()
}

/// A tag and what it is a part of, the longest first: `zh-hant-tw`, `zh-hant`, `zh`. Nothing for what is no tag.
fn prefixes(tag: &str) -> Vec<String> {
    /// RFC 5646, 4.4.1.
    const LENGTH: usize = 35;
    let tag = normal(tag);
    let subtags: Vec<&str> = tag.split('-').collect();
    let sound = |subtag: &str| {
        (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let language = |primary: &str| {
        (2..=8).contains(&primary.len()) && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    if tag.len() > LENGTH || !language(subtags[0]) || !subtags.iter().all(|subtag| sound(subtag)) {
        return Vec::new();
    }
    (1..=subtags.len()).rev().map(|count| subtags[..count].join("-")).collect()
}

#[cfg(test)]
mod tests;
