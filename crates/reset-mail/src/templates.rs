//! How phrases become the parts of a mail. Each kind of mail has one layout, with the language's phrases in it.

use std::{collections::BTreeMap, time::Duration};

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use reset_core::language::{Language, direction};
use serde::Serialize;

use crate::{
    catalogue::Catalogues,
    kind::{Kind, Part},
};

/// Widest line of a text part, in characters, where there are spaces to break it at.
const TEXT_WIDTH: usize = 72;

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
pub(crate) struct Templates {
    env: Environment<'static>,
    catalogues: Catalogues,
    /// The language of whoever speaks none that there are texts in.
    default: Language,
}

/// What a mail is to say, and to whom.
#[derive(Clone, Copy)]
pub(crate) struct Matter<'a> {
    pub(crate) kind: Kind,
    /// Language, as a BCP 47 tag.
    pub(crate) locale: Option<&'a str>,
    /// Whose name is below.
    pub(crate) sender: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) code: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    pub(crate) life: Option<Duration>,
}

/// The parts of a mail.
pub(crate) struct Parts {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// What templates can say. What a mail does not have is undefined: to print it is a fault, to ask for it is not.
#[derive(Serialize)]
struct Words<'a> {
    sender: &'a str,
    lang: &'a str,
    dir: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    life: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    phrases: BTreeMap<&'a str, String>,
}

impl Templates {
    /// Our layouts, in `default` for whoever speaks no language of ours.
    pub(crate) fn new(default: Language) -> Self {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        env.add_filter("wrap", wrap);
        for (name, source) in LAYOUTS {
            env.add_template(name, source).expect("the layouts compiled in are well-formed");
        }
        Self { env, catalogues: Catalogues::new(), default }
    }

    /// Writes a mail.
    pub(crate) fn write(&self, matter: Matter<'_>) -> Parts {
        let language = matter.locale.and_then(Language::of).unwrap_or(self.default);
        let (kind, lang) = (matter.kind, language.tag());
        let catalogue = self.catalogues.of(language);
        let life = matter.life.map(|life| catalogue.life(life));
        let mut words = Words {
            sender: matter.sender,
            lang,
            dir: direction(lang),
            name: matter.name,
            // No subject can name what it does not know.
            code: None,
            url: None,
            life: life.as_deref(),
            subject: None,
            phrases: catalogue.phrases(kind, matter.name, life.as_deref()),
        };
        let subject = self.render(kind, Part::Subject, &words);
        (words.code, words.url, words.subject) = (matter.code, matter.url, Some(subject.as_str()));
        let text = self.render(kind, Part::Text, &words);
        let html = self.render(kind, Part::Html, &words);
        Parts { subject, text, html }
    }

    /// Renders without a bare CR: lettre makes each LF a CRLF, and a CR left over would be a line end to
    /// some servers and none to others (R24).
    fn render(&self, kind: Kind, part: Part, words: &Words<'_>) -> String {
        let rendered = self.env.get_template(&format!("{}.{}", kind.name(), part.name()));
        let rendered = rendered.and_then(|template| template.render(Serde(words)));
        rendered.expect("the layouts compiled in use what they are given").replace('\r', "")
    }
}

/// Breaks a paragraph at its spaces into lines of at most [`TEXT_WIDTH`] characters. A text without spaces stays
/// as it is.
fn wrap(paragraph: &str) -> String {
    let mut wrapped = String::with_capacity(paragraph.len());
    let mut width = 0;
    for word in paragraph.split(' ') {
        let length = word.chars().count();
        if width > 0 {
            let fits = width + 1 + length <= TEXT_WIDTH;
            wrapped.push(if fits { ' ' } else { '\n' });
            width = if fits { width + 1 } else { 0 };
        }
        wrapped.push_str(word);
        width += length;
    }
    wrapped
}
