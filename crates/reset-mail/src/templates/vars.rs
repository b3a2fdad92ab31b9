//! The content of a mail, and the variables that templates get.

use std::{collections::BTreeMap, time::Duration};

use reset_core::{
    language::{Language, direction},
    time::Timestamp,
};
use reset_words::{brand::Brand, digits, symbols};
use serde::Serialize;

use super::{MailLanguage, Templates};
use crate::{
    catalogue::{self, Values},
    mail_kind::MailKind,
};

/// Most height of a logo in mails, in CSS pixels.
const LOGO_HEIGHT: usize = 40;
/// Most width of a logo in mails, in CSS pixels.
const LOGO_WIDTH: usize = 240;

/// Content of a mail.
#[derive(Clone, Copy)]
pub(crate) struct MailContext<'a> {
    pub(crate) kind: MailKind,
    pub(crate) dialect: &'a str,
    /// The recipient's language, as a BCP 47 tag.
    pub(crate) locale: Option<&'a str>,
    pub(crate) brand: &'a Brand,
    /// The part of the logos' content ids after `logo.` and `logo-dark.`.
    pub(crate) pictures: &'a str,
    /// Display name in `mail_from`, or its domain.
    pub(crate) sender: &'a str,
    /// The recipient's address, which is the account's.
    pub(crate) account: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) code: Option<&'a str>,
    /// The host of the site that the code is typed on, for programs that fill it in.
    pub(crate) code_host: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    pub(crate) lifetime: Option<Duration>,
    /// When the reset was requested, or the password changed.
    pub(crate) at: Timestamp,
    /// The public network of the request.
    pub(crate) network: Option<&'a str>,
    pub(crate) reference: &'a str,
}

impl MailContext<'_> {
    pub(super) fn secret(&self) -> Option<&str> {
        self.code.or(self.url)
    }
}

/// The variables of a template. A field that a mail lacks is undefined: a template may test for it, but not print it.
#[derive(Serialize)]
pub(super) struct TemplateVars<'a> {
    brand: BrandVars<'a>,
    sender: &'a str,
    dialect: &'a str,
    lang: &'a str,
    dir: &'static str,
    account: &'a str,
    time: String,
    reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<&'a str>,
    /// Labels and values of the facts about the request.
    details: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime: Option<String>,
    #[serde(flatten)]
    pub(super) body: BodyVars<'a>,
    pub(super) phrases: BTreeMap<&'a str, String>,
}

/// The variables that only bodies have: a subject must not contain the secret.
#[derive(Default, Serialize)]
pub(super) struct BodyVars<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    /// The code in groups, for reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    code_groups: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
}

impl<'a> BodyVars<'a> {
    pub(super) fn of(context: &MailContext<'a>, subject: String) -> Self {
        Self {
            code: context.code,
            code_groups: context.code.map(groups),
            code_host: context.code_host.filter(|_| context.code.is_some()),
            url: context.url,
            subject: Some(subject),
        }
    }
}

/// The brand as templates see it.
#[derive(Serialize)]
struct BrandVars<'a> {
    name: &'a str,
    accent: String,
    accent_dark: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo: Option<LogoVars>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_dark: Option<LogoVars>,
    #[serde(skip_serializing_if = "Option::is_none")]
    support: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    support_href: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    footer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
}

/// A logo that is attached to the mail.
#[derive(Serialize)]
struct LogoVars {
    url: String,
    width: usize,
    height: usize,
}

/// Names of the variables of `brand`.
pub(super) const BRAND_VARS: [&str; 10] = [
    "name",
    "accent",
    "accent_dark",
    "logo",
    "logo_dark",
    "support",
    "support_href",
    "home",
    "footer",
    "address",
];

impl<'a> BrandVars<'a> {
    fn of(context: &MailContext<'a>) -> Self {
        let brand = context.brand;
        let (light, dark) = brand.mail_logos();
        let attached = |logo: &reset_words::brand::Logo, name: &str| {
            let (width, height) = shown_size(logo.size());
            LogoVars { url: format!("cid:{name}.{}", context.pictures), width, height }
        };
        Self {
            name: &brand.name,
            accent: brand.accent().css(),
            accent_dark: brand.accent_dark().css(),
            logo: light.map(|logo| attached(logo, "logo")),
            logo_dark: dark.map(|logo| attached(logo, "logo-dark")),
            support: brand.support.as_deref(),
            support_href: brand.support_href(),
            home: brand.home.as_deref(),
            footer: brand.footer.as_deref(),
            address: brand.address.as_deref(),
        }
    }
}

/// Returns the size at which a logo is shown, in CSS pixels: at most [`LOGO_HEIGHT`] high and [`LOGO_WIDTH`] wide, and no
/// larger than the file. A logo of unknown size is shown as a square.
fn shown_size(size: Option<(usize, usize)>) -> (usize, usize) {
    let Some((width, height)) = size else { return (LOGO_HEIGHT, LOGO_HEIGHT) };
    let (mut shown_width, mut shown_height) = (width, height);
    if shown_height > LOGO_HEIGHT {
        (shown_width, shown_height) = (width * LOGO_HEIGHT / height, LOGO_HEIGHT);
    }
    if shown_width > LOGO_WIDTH {
        (shown_width, shown_height) = (LOGO_WIDTH, height * LOGO_WIDTH / width);
    }
    (shown_width.max(1), shown_height.max(1))
}

/// Splits a code into groups of up to four characters that are easy to read: at its hyphens if it has any, otherwise in
/// equal groups. The groups together are the code.
fn groups(code: &str) -> Vec<&str> {
    if code.contains('-') || !code.is_ascii() {
        return code.split_inclusive('-').collect();
    }
    let size = if !code.len().is_multiple_of(4) && code.len().is_multiple_of(3) { 3 } else { 4 };
    let starts = (0..code.len()).step_by(size);
    starts.map(|at| &code[at..code.len().min(at + size)]).collect()
}

impl Templates {
    /// Returns the variables of a subject; the caller adds those of bodies.
    pub(super) fn vars<'a>(
        &'a self,
        context: &MailContext<'a>,
        mail_language: &MailLanguage,
        lang: Option<&'a str>,
    ) -> TemplateVars<'a> {
        let mail = mail_language.language.map(|language| &self.catalogue.of(language).mail);
        let lang = lang.or(mail_language.language.map(Language::tag)).unwrap_or_default();
        let lifetime = context
            .lifetime
            .map(|lifetime| mail.map_or_else(|| symbols(lifetime), |mail| mail.lifetime(lifetime)));
        let values = Values {
            brand: &context.brand.name,
            account: context.account,
            name: context.name,
            lifetime: lifetime.as_deref(),
        };
        let phrases = mail.map(|mail| catalogue::phrases(mail, context.kind, values)).unwrap_or_default();
        let time = mail.map_or_else(|| digits(context.at), |mail| mail.time(context.at));
        let when = if context.kind == MailKind::PasswordChanged { "changed" } else { "requested" };
        let facts = [
            (when, Some(time.as_str())),
            ("network", context.network),
            ("reference", Some(context.reference)),
        ];
        let detail =
            |(key, value): (&str, Option<&str>)| Some((phrases.get(key)?.clone(), value?.to_owned()));
        TemplateVars {
            brand: BrandVars::of(context),
            sender: context.sender,
            dialect: context.dialect,
            lang,
            dir: direction(lang),
            account: context.account,
            reference: context.reference,
            network: context.network,
            details: facts.into_iter().filter_map(detail).collect(),
            time,
            name: context.name,
            lifetime,
            body: BodyVars::default(),
            phrases,
        }
    }
}
