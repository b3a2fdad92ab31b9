//! What all pages have around them: language, brand, style, and the policy that a browser is to follow.

use askama::Template;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use reset_core::language::{Language, direction};
use reset_words::{Page, Words};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::{Pages, brand::Brand};
use crate::{language, route::Call, wire::reply};

const STYLE: &str = include_str!("pages.css");
const SCRIPT: &str = include_str!("pages.js");
/// The cookie of the language that somebody chose, and for how long.
const CHOICE: &str = "polyreset-lang";
const CHOICE_AGE: u32 = 365 * 24 * 60 * 60;

/// Another language that the page can be had in.
pub(super) struct Choice {
    pub(super) tag: &'static str,
    pub(super) name: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

/// What is around one page.
pub(super) struct Shell<'a> {
    pub(super) brand: &'a Brand,
    pub(super) lang: &'static str,
    pub(super) dir: &'static str,
    pub(super) style: &'a str,
    pub(super) script: &'static str,
    pub(super) support_href: Option<String>,
    pub(super) choices: Vec<Choice>,
}

/// One request for a page: in which language it is answered, and whether that was chosen just now.
pub(super) struct Visit<'a> {
    pages: &'a Pages,
    language: Language,
    chosen: bool,
    /// What the links that change the language lead to; it has a query already where it ends in `&`.
    here: String,
}

/// A message without a form.
#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    shell: Shell<'a>,
    words: &'a Page,
    title: &'a str,
    lines: Vec<String>,
    /// Where one can go on, and what it is called.
    action: Option<(&'a str, &'a str)>,
    /// Where the browser goes on by itself.
    onward: Option<&'a str>,
}

impl Pages {
    /// The language of an answer: the one in the query, else the one that was chosen before, else what the browser
    /// prefers, else the deployment's.
    pub(super) fn visit<'a>(&'a self, call: &Call, path: &str) -> Visit<'a> {
        let (query, headers) = (call.request.uri().query().unwrap_or_default(), call.request.headers());
        let asked = form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == "lang")
            .and_then(|(_, tag)| Language::of(&tag));
        let chosen = || cookie(headers, CHOICE).and_then(|tag| Language::of(&tag));
        let language = asked
            .or_else(chosen)
            .or_else(|| language::among(headers, |tag| Language::of(tag)))
            .unwrap_or(self.language);
        Visit { pages: self, language, chosen: asked.is_some(), here: format!("{path}?") }
    }
}

impl<'a> Visit<'a> {
    /// The same for a page whose address has a query of its own.
    pub(super) fn with_query(self, name: &str, value: &str) -> Self {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
        Self { here: format!("{}{query}&", self.here), ..self }
    }

    /// The phrases.
    pub(super) fn words(&self) -> &'a Page {
        let words: &Words = self.pages.catalogue.of(self.language);
        &words.page
    }

    /// The BCP 47 tag of the language, for a mail that is asked for here.
    pub(super) fn tag(&self) -> &'static str {
        self.language.tag()
    }

    pub(super) fn shell(&self) -> Shell<'a> {
        let choice = |language: Language| Choice {
            tag: language.tag(),
            name: language.name(),
            href: format!("{}lang={}", self.here, language.primary()),
            current: language == self.language,
        };
        let lang = self.language.tag();
        Shell {
            brand: &self.pages.brand,
            lang,
            dir: direction(lang),
            style: &self.pages.style,
            script: SCRIPT,
            support_href: self.pages.brand.support.as_deref().and_then(support_href),
            choices: Language::ALL.into_iter().map(choice).collect(),
        }
    }

    /// An answer that is this page.
    pub(super) fn page(&self, status: StatusCode, page: &impl Template) -> Response<Bytes> {
        let html = page.render().expect("a template over texts that is written into memory");
        let mut response = reply(status, HeaderValue::from_static("text/html; charset=utf-8"), html);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.pages.policy.clone());
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        headers.append(header::VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        if self.chosen {
            let chosen = self.pages.cookie(CHOICE, self.language.primary(), "/", "Lax", CHOICE_AGE);
            headers.append(header::SET_COOKIE, chosen);
        }
        response
    }

    /// An answer that says something.
    pub(super) fn message(
        &self,
        status: StatusCode,
        title: &'a str,
        lines: Vec<String>,
        action: Option<(&'a str, &'a str)>,
    ) -> Response<Bytes> {
        let shell = Shell { choices: Vec::new(), ..self.shell() };
        self.page(status, &Message { shell, words: self.words(), title, lines, action, onward: None })
    }

    /// An answer that sends the browser on, from a page of ours: so the next request is our own, and brings the strict
    /// cookie that this one sets.
    pub(super) fn onward(&self, to: &'a str) -> Response<Bytes> {
        let (words, shell) = (self.words(), Shell { choices: Vec::new(), ..self.shell() });
        let page = Message {
            shell,
            words,
            title: &words.onward_title,
            lines: Vec::new(),
            action: Some((to, &words.onward)),
            onward: Some(to),
        };
        self.page(StatusCode::OK, &page)
    }
}

/// The style sheet as it is served: ours, the team's colour, the team's own.
pub(super) fn style(brand: &Brand) -> String {
    let mut style = STYLE.to_owned();
    if let Some(accent) = brand.accent {
        let (light, dark) = (accent.css(), accent.on_dark().css());
        style.push_str(&format!(":root {{ --accent: {light}; --accent-dark: {dark}; }}\n"));
        style.push_str(&format!("@media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; }} }}\n"));
    }
    style.push_str(brand.stylesheet.as_deref().unwrap_or_default());
    style
}

/// Nothing is loaded but what is on the page itself; forms lead to us; nobody frames it (R35).
pub(super) fn policy(style: &str) -> HeaderValue {
    let digest = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'",
        digest(style),
        digest(SCRIPT)
    );
    HeaderValue::from_str(&policy).expect("base64 is plain ASCII")
}

/// The value of a cookie; of several the first.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// Whether a form may have been sent by another site's page. Every browser says so since 2023; what says nothing is no
/// browser, or one whose strict cookies keep others out all the same.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

/// Where help is: a URL as it is, an address as a mail.
fn support_href(support: &str) -> Option<String> {
    if support.starts_with("https://") {
        Some(support.to_owned())
    } else {
        support.contains('@').then(|| format!("mailto:{support}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; polyreset-lang=de;b=2".parse().unwrap());
        headers.append(header::COOKIE, "polyreset-lang=fr".parse().unwrap());
        assert_eq!(cookie(&headers, CHOICE).as_deref(), Some("de"));
        assert_eq!(cookie(&headers, "lang"), None);
    }

    #[test]
    fn a_form_from_another_site_is_foreign() {
        let from = |site: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("sec-fetch-site", site.parse().unwrap());
            is_foreign(&headers)
        };
        assert!(from("cross-site") && from("same-site") && from(""));
        assert!(!from("same-origin") && !from("none") && !is_foreign(&HeaderMap::new()));
    }
}
