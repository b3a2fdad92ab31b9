//! Templates tried with made-up words, before any mail depends on them.

use std::collections::BTreeSet;

use reset_core::language::Language;

use super::{
    BadTemplate, LAYOUT, MailContext, Own, Part, Slot, Speech, Templates, judge, layout_of, prefixes,
    samples::shapes,
};
use crate::{catalogue::has, mail_kind::MailKind};

/// What every template knows.
const KNOWN: [&str; 8] = ["sender", "dialect", "lang", "dir", "name", "lifetime", "phrases", "loop"];
/// What is known to all but subjects.
const KNOWN_BELOW: [&str; 5] = ["code", "url", "subject", "self", "super"];

/// A template that was tried in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Path of the file, below the directory; nothing for our own layouts.
    pub file: Option<String>,
    /// Tag of the language, if it came so far.
    pub locale: Option<String>,
    /// Whether it can be used.
    pub outcome: Result<(), BadTemplate>,
}

impl From<BadTemplate> for Trial {
    fn from(fault: BadTemplate) -> Self {
        Self { file: Some(fault.file.clone()), locale: None, outcome: Err(fault) }
    }
}

impl Templates {
    /// Tries everything in each shape and language that it is for.
    pub(super) fn try_out(&self) -> Vec<Trial> {
        let trial = |file: Option<&str>, locale: &str, outcome| Trial {
            file: file.map(ToOwned::to_owned),
            locale: Some(locale.to_owned()),
            outcome,
        };
        let mut trials = Vec::new();
        for language in Language::ALL {
            trials.push(trial(None, language.primary(), self.try_ours(language)));
        }
        let Some(own) = &self.own else { return trials };
        if own.layout {
            for language in Language::ALL {
                trials.push(trial(Some(LAYOUT), language.primary(), self.try_layout(own, language)));
            }
        }
        for (file, slot) in &own.slots {
            let tags = match &slot.locale {
                Some(locale) => vec![locale.as_str()],
                None => Language::ALL.map(Language::primary).to_vec(),
            };
            trials.extend(tags.iter().map(|tag| trial(Some(file), tag, self.try_part(own, file, slot, tag))));
        }
        trials
    }

    fn try_ours(&self, language: Language) -> Result<(), BadTemplate> {
        let speech = Speech { chain: Vec::new(), language: Some(language) };
        for kind in MailKind::ALL {
            for shape in shapes(kind) {
                let parts = self.try_write(&shape, &speech, None)?;
                let parts =
                    [(Part::Subject, parts.subject), (Part::Text, parts.text), (Part::Html, parts.html)];
                for (part, rendered) in parts {
                    judge(part, &rendered, shape.secret())
                        .map_err(|what| BadTemplate::new(&layout_of(kind, part), what))?;
                }
            }
        }
        Ok(())
    }

    fn try_part(&self, own: &Own, file: &str, slot: &Slot, tag: &str) -> Result<(), BadTemplate> {
        self.try_names(own, file, Some(slot))?;
        let speech = Speech { chain: prefixes(tag), language: Language::of(tag) };
        let dialect = slot.dialect.as_deref().unwrap_or_default();
        let lacks = |part: &Part| own.choose(slot.kind, *part, dialect, &speech).is_none();
        if let (None, Some(part)) = (speech.language, Part::ALL.iter().find(|part| lacks(part))) {
            let wanted = format!("{}.{tag}.{}.j2", slot.kind.name(), part.name());
            let what =
                format!("{wanted} is missing beside it: there are no phrases of ours in this language");
            return Err(BadTemplate::new(file, what));
        }
        for shape in shapes(slot.kind) {
            self.try_shape(own, file, slot.part, &MailContext { dialect, ..shape }, &speech, tag)?;
        }
        Ok(())
    }

    fn try_layout(&self, own: &Own, language: Language) -> Result<(), BadTemplate> {
        self.try_names(own, LAYOUT, None)?;
        let speech = Speech { chain: Vec::new(), language: Some(language) };
        for kind in MailKind::ALL {
            for shape in shapes(kind) {
                let name = layout_of(kind, Part::Html);
                self.try_shape(own, &name, Part::Html, &shape, &speech, language.tag())?;
            }
        }
        Ok(())
    }

    fn try_shape(
        &self,
        own: &Own,
        name: &str,
        part: Part,
        shape: &MailContext<'_>,
        speech: &Speech,
        tag: &str,
    ) -> Result<(), BadTemplate> {
        let mut words = self.words(shape, speech, Some(tag));
        if part != Part::Subject {
            let subject = words.phrases.get("subject").cloned();
            (words.code, words.url) = (shape.code, shape.url);
            words.subject = Some(subject.unwrap_or_else(|| shape.kind.name().to_owned()));
        }
        own.render(name, part, &words, shape.secret()).map(drop).map_err(|fault| {
            // The whole mail comes first, so that it is the lack which is to blame.
            let lack = match (shape.kind, shape.name, shape.url) {
                (_, None, _) => " in a mail to somebody without a name: {% if name %} asks for one",
                (MailKind::PasswordChanged, _, None) => {
                    " in a notice without a link: {% if url %} asks for one"
                }
                _ => "",
            };
            BadTemplate { what: fault.what + lack, ..fault }
        })
    }

    /// Whether a template names nothing that there is not. What it asks for in a branch that is not taken, or
    /// whether there is, would not be noticed otherwise.
    fn try_names(&self, own: &Own, file: &str, slot: Option<&Slot>) -> Result<(), BadTemplate> {
        let template = own.env.get_template(file).map_err(|error| BadTemplate::of(file, &error))?;
        let below = slot.is_none_or(|slot| slot.part != Part::Subject);
        let globals: Vec<&str> = own.env.globals().map(|(name, _)| name).collect();
        let english = &self.words.of(Language::En).mail;
        // In order, so that a template has the same fault each time.
        for name in template.undeclared_variables(true).into_iter().collect::<BTreeSet<_>>() {
            let mut steps = name.split('.');
            let (root, key) = (steps.next().unwrap_or_default(), steps.next());
            let phrase = |key: &str| match slot {
                Some(slot) => has(english, slot.kind, key),
                None => MailKind::ALL.iter().all(|kind| has(english, *kind, key)),
            };
            let known = match (root, key) {
                ("phrases", Some(key)) => phrase(key),
                _ => {
                    KNOWN.contains(&root) || (below && KNOWN_BELOW.contains(&root)) || globals.contains(&root)
                }
            };
            if !known {
                let secret = ["code", "url"].contains(&root);
                let what = if secret {
                    "a subject must not hold the code or the link: it is shown on locked screens".to_owned()
                } else {
                    format!("there is no {name} here")
                };
                let word = key.unwrap_or(root);
                let line = template.source().lines().position(|line| line.contains(word));
                return Err(BadTemplate::new(file, what).at(line.map(|line| line + 1)));
            }
        }
        Ok(())
    }
}
