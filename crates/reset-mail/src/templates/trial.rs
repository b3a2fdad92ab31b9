//! Renders templates with sample data, so that faults appear before the first mail.

use std::collections::BTreeSet;

use reset_core::language::Language;

use super::{
    BadTemplate, CustomTemplates, LAYOUT, MailContext, MailLanguage, Part, Slot, Templates, check_part,
    layout_of, prefixes,
    samples::variants,
    vars::{BRAND_VARS, BodyVars},
};
use crate::{catalogue::has, mail_kind::MailKind};

/// Variables of every template.
const COMMON_VARS: [&str; 14] = [
    "brand",
    "sender",
    "dialect",
    "lang",
    "dir",
    "account",
    "time",
    "network",
    "reference",
    "details",
    "name",
    "lifetime",
    "phrases",
    "loop",
];
/// Variables of bodies, which subjects lack.
const BODY_VARS: [&str; 7] = ["code", "code_groups", "code_host", "url", "subject", "self", "super"];

/// Outcome of rendering a template in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Path of the file, below the directory; `None` for the built-in layouts.
    pub file: Option<String>,
    /// Tag of the language; `None` if the file could not be loaded.
    pub locale: Option<String>,
    /// The fault, if any.
    pub outcome: Result<(), BadTemplate>,
}

impl From<BadTemplate> for Trial {
    fn from(fault: BadTemplate) -> Self {
        Self { file: Some(fault.file.clone()), locale: None, outcome: Err(fault) }
    }
}

impl Templates {
    /// Renders every template in each of its variants and languages.
    pub(super) fn run_trials(&self) -> Vec<Trial> {
        let trial = |file: Option<&str>, locale: &str, outcome| Trial {
            file: file.map(ToOwned::to_owned),
            locale: Some(locale.to_owned()),
            outcome,
        };
        let mut trials = Vec::new();
        for language in Language::ALL {
            trials.push(trial(None, language.primary(), self.try_built_in(language)));
        }
        let Some(custom) = &self.custom else { return trials };
        if custom.layout {
            for language in Language::ALL {
                trials.push(trial(Some(LAYOUT), language.primary(), self.try_layout(custom, language)));
            }
        }
        for (file, slot) in &custom.slots {
            let tags = match &slot.locale {
                Some(locale) => vec![locale.as_str()],
                None => Language::ALL.map(Language::primary).to_vec(),
            };
            trials.extend(
                tags.iter().map(|tag| trial(Some(file), tag, self.try_part(custom, file, slot, tag))),
            );
        }
        trials
    }

    fn try_built_in(&self, language: Language) -> Result<(), BadTemplate> {
        let mail_language = MailLanguage { chain: Vec::new(), language: Some(language) };
        for kind in MailKind::ALL {
            for variant in variants(kind) {
                let parts = self.try_render(&variant, &mail_language, None)?;
                let parts =
                    [(Part::Subject, parts.subject), (Part::Text, parts.text), (Part::Html, parts.html)];
                for (part, rendered) in parts {
                    check_part(part, &rendered, variant.secret())
                        .map_err(|what| BadTemplate::new(&layout_of(kind, part), what))?;
                }
            }
        }
        Ok(())
    }

    fn try_part(
        &self,
        custom: &CustomTemplates,
        file: &str,
        slot: &Slot,
        tag: &str,
    ) -> Result<(), BadTemplate> {
        self.try_names(custom, file, Some(slot))?;
        let mail_language = MailLanguage { chain: prefixes(tag), language: Language::of(tag) };
        let dialect = slot.dialect.as_deref().unwrap_or_default();
        let is_missing = |part: &Part| custom.choose(slot.kind, *part, dialect, &mail_language).is_none();
        if let (None, Some(part)) = (mail_language.language, Part::ALL.iter().find(|part| is_missing(part))) {
            let missing = format!("{}.{tag}.{}.j2", slot.kind.name(), part.name());
            let what = format!("{missing} is required too: there are no built-in phrases in this language");
            return Err(BadTemplate::new(file, what));
        }
        for variant in variants(slot.kind) {
            self.try_variant(
                custom,
                file,
                slot.part,
                &MailContext { dialect, ..variant },
                &mail_language,
                tag,
            )?;
        }
        Ok(())
    }

    fn try_layout(&self, custom: &CustomTemplates, language: Language) -> Result<(), BadTemplate> {
        self.try_names(custom, LAYOUT, None)?;
        let mail_language = MailLanguage { chain: Vec::new(), language: Some(language) };
        for kind in MailKind::ALL {
            for variant in variants(kind) {
                let name = layout_of(kind, Part::Html);
                self.try_variant(custom, &name, Part::Html, &variant, &mail_language, language.tag())?;
            }
        }
        Ok(())
    }

    fn try_variant(
        &self,
        custom: &CustomTemplates,
        name: &str,
        part: Part,
        variant: &MailContext<'_>,
        mail_language: &MailLanguage,
        tag: &str,
    ) -> Result<(), BadTemplate> {
        let mut vars = self.vars(variant, mail_language, Some(tag));
        if part != Part::Subject {
            let subject = vars.phrases.get("subject").cloned();
            vars.body = BodyVars::of(variant, subject.unwrap_or_else(|| variant.kind.name().to_owned()));
        }
        custom.render(name, part, &vars, variant.secret()).map(drop).map_err(|fault| {
            // The full variant is rendered first, so a fault here is due to what this variant lacks.
            let lack = match (variant.kind, variant.name, variant.url) {
                (_, None, _) => " in a mail without a name: guard it with {% if name %}",
                (MailKind::PasswordChanged, _, None) => {
                    " in a notice without a link: guard it with {% if url %}"
                }
                _ if variant.network.is_none() => {
                    " in a mail without a network and with a brand that has only a name: guard it with {% if … %}"
                }
                _ => "",
            };
            BadTemplate { what: fault.what + lack, ..fault }
        })
    }

    /// Checks that a template uses only known variables. Rendering alone misses those in a branch that is not taken or in
    /// a test for being defined.
    fn try_names(
        &self,
        custom: &CustomTemplates,
        file: &str,
        slot: Option<&Slot>,
    ) -> Result<(), BadTemplate> {
        let template = custom.env.get_template(file).map_err(|error| BadTemplate::of(file, &error))?;
        let is_body = slot.is_none_or(|slot| slot.part != Part::Subject);
        let globals: Vec<&str> = custom.env.globals().map(|(name, _)| name).collect();
        let english = &self.catalogue.of(Language::En).mail;
        // Sorted, so that a template always reports the same fault.
        for name in template.undeclared_variables(true).into_iter().collect::<BTreeSet<_>>() {
            let mut steps = name.split('.');
            let (root, key) = (steps.next().unwrap_or_default(), steps.next());
            let is_phrase = |key: &str| match slot {
                Some(slot) => has(english, slot.kind, key),
                None => MailKind::ALL.iter().all(|kind| has(english, *kind, key)),
            };
            let known = match (root, key) {
                ("phrases", Some(key)) => is_phrase(key),
                ("brand", Some(key)) => BRAND_VARS.contains(&key),
                _ => {
                    COMMON_VARS.contains(&root)
                        || (is_body && BODY_VARS.contains(&root))
                        || globals.contains(&root)
                }
            };
            if !known {
                let secret = ["code", "code_groups", "url"].contains(&root);
                let what = if secret {
                    "a subject must not contain the code or the link: lock screens show it".to_owned()
                } else {
                    format!("unknown variable {name}")
                };
                let word = key.unwrap_or(root);
                let line = template.source().lines().position(|line| line.contains(word));
                return Err(BadTemplate::new(file, what).at(line.map(|line| line + 1)));
            }
        }
        Ok(())
    }
}
