//! What all pages have around them: language, brand, style, and the policy that a browser is to follow.

use askama::Template;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use reset_core::language::{Language, direction};
use reset_words::{LanguagePhrases, PagePhrases};
use tracing::error;
use url::form_urlencoded;

use super::{Pages, brand::Brand, link_cookie::is_tag, style::SCRIPT};
use crate::html;
use reset_http::{common_error::CommonError, language, route::Call, wire::retry_after};

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
    /// What a form says so that its answer is in the same language.
    pub(super) primary: &'static str,
    pub(super) dir: &'static str,
    pub(super) style: &'a str,
    pub(super) script: &'static str,
    pub(super) support_href: Option<String>,
    pub(super) choices: Vec<Choice>,
    /// During a demo, the path that its pages are under.
    pub(super) demo: Option<&'a str>,
}

/// One request for a page: in which language it is answered, and who said so.
#[derive(Clone)]
pub(super) struct Visit<'a> {
    pages: &'a Pages,
    language: Language,
    said_by: Source,
    /// What the links that change the language lead to; it has a query already where it ends in `&`.
    here: String,
}

/// Where a language is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// It was chosen just now.
    Chosen,
    /// The request says so in another way.
    Request,
    /// Nobody said anything.
    Default,
}

/// A message without a form.
#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    shell: Shell<'a>,
    words: &'a PagePhrases,
    title: &'a str,
    lines: Vec<String>,
    /// Where one can go on, and what it is called.
    action: Option<(&'a str, &'a str)>,
    /// Whether that is a mere link, for the few who need it.
    aside: bool,
    /// Where the browser goes on by itself.
    onward: Option<&'a str>,
}

impl Pages {
    /// One request, whose language is the one in the query, else the one that the form before was in, else the one that
    /// was chosen earlier, else what the browser prefers, else the deployment's.
    pub(super) fn visit<'a>(&'a self, call: &Call, path: &str) -> Visit<'a> {
        let asked = language_in(call.request.uri().query().unwrap_or_default().as_bytes());
        // A page that is opened has no body.
        let shown = || language_in(call.request.body());
        let headers = call.request.headers();
        let (language, said_by) = match (asked, || shown().or_else(|| among(headers))) {
            (Some(language), _) => (language, Source::Chosen),
            (None, otherwise) => match otherwise() {
                Some(language) => (language, Source::Request),
                None => (self.language, Source::Default),
            },
        };
        Visit { pages: self, language, said_by, here: format!("{path}?") }
    }

    /// What never reached a page, or never came back from one, is told to people as well.
    pub(super) fn render(&self, error: &CommonError, headers: &HeaderMap) -> Response<Bytes> {
        let language = among(headers);
        let said_by = if language.is_some() { Source::Request } else { Source::Default };
        let language = language.unwrap_or(self.language);
        Visit { pages: self, language, said_by, here: String::new() }.render(error)
    }
}

impl<'a> Visit<'a> {
    /// The same for a page whose address has a query of its own.
    pub(super) fn with_query(self, name: &str, value: &str) -> Self {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
        Self { here: format!("{}{query}&", self.here), ..self }
    }

    /// The same for the form of the link of this tag.
    pub(super) fn of_link(self, tag: &str) -> Self {
        let visit = self.with_query("by", "link");
        if is_tag(tag) { visit.with_query("link", tag) } else { visit }
    }

    /// The same for a page whose account is known: its language counts where nobody said another.
    pub(super) fn of_account(self, locale: Option<&str>) -> Self {
        match locale.and_then(Language::of) {
            Some(language) if self.said_by == Source::Default => {
                Self { language, said_by: Source::Request, ..self }
            }
            _ => self,
        }
    }

    /// The phrases.
    pub(super) fn words(&self) -> &'a PagePhrases {
        &self.all_words().page
    }

    fn all_words(&self) -> &'a LanguagePhrases {
        self.pages.catalogue.of(self.language)
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
            primary: self.language.primary(),
            dir: direction(lang),
            style: &self.pages.style,
            script: SCRIPT,
            support_href: self.pages.brand.support.as_deref().and_then(support_href),
            choices: Language::ALL.into_iter().map(choice).collect(),
            demo: self.pages.demo.then_some(&self.pages.base),
        }
    }

    /// An answer that is this page.
    pub(super) fn page(&self, status: StatusCode, page: &impl Template) -> Response<Bytes> {
        let html = page.render().expect("a template over texts that is written into memory");
        let mut response = html::page(status, html, &self.pages.policy);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        headers.append(header::VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        if self.said_by == Source::Chosen {
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
        self.say(status, title, lines, action, false)
    }

    /// The same for a way on that few should take.
    pub(super) fn message_aside(
        &self,
        status: StatusCode,
        title: &'a str,
        lines: Vec<String>,
        link: (&'a str, &'a str),
    ) -> Response<Bytes> {
        self.say(status, title, lines, Some(link), true)
    }

    fn say(
        &self,
        status: StatusCode,
        title: &'a str,
        lines: Vec<String>,
        action: Option<(&'a str, &'a str)>,
        aside: bool,
    ) -> Response<Bytes> {
        let shell = Shell { choices: Vec::new(), ..self.shell() };
        let message = Message { shell, words: self.words(), title, lines, action, aside, onward: None };
        self.page(status, &message)
    }

    /// Where people sign in, where the team said so.
    pub(super) fn home(&self) -> Option<&'a str> {
        self.pages.brand.home.as_deref()
    }

    /// A form from another site's page.
    pub(super) fn foreign(&self) -> Response<Bytes> {
        let words = self.words();
        self.message(StatusCode::FORBIDDEN, &words.foreign_title, vec![words.foreign.clone()], None)
    }

    /// What never reached a page, or never came back from one.
    pub(super) fn render(&self, error: &CommonError) -> Response<Bytes> {
        let words = self.all_words();
        let page = &words.page;
        let say = |status, title: &'a str, line: String| self.message(status, title, vec![line], None);
        match error {
            // A page has no paths below it, and takes no JSON: both would be others' rows.
            CommonError::NotFound { .. } | CommonError::MethodNotAllowed | CommonError::NotJson => {
                say(StatusCode::METHOD_NOT_ALLOWED, &page.method_title, page.method.clone())
            }
            CommonError::BodyTooLarge => {
                say(StatusCode::PAYLOAD_TOO_LARGE, &page.unread_title, page.unread.clone())
            }
            CommonError::BodyUnreadable => {
                say(StatusCode::BAD_REQUEST, &page.unread_title, page.unread.clone())
            }
            CommonError::BodyTooSlow => {
                say(StatusCode::REQUEST_TIMEOUT, &page.unread_title, page.unread.clone())
            }
            CommonError::Failure => {
                say(StatusCode::INTERNAL_SERVER_ERROR, &page.failed_title, page.failed.clone())
            }
            CommonError::Busy { retry_after: wait } => {
                let busy = say(StatusCode::SERVICE_UNAVAILABLE, &page.busy_title, page.busy.clone());
                retry_after(busy, *wait)
            }
            CommonError::TooMany { retry_after: wait } => {
                let line = page.many.replace("{lifetime}", &words.mail.wait(*wait));
                retry_after(say(StatusCode::TOO_MANY_REQUESTS, &page.many_title, line), *wait)
            }
        }
    }

    /// The server failed at `what`, which is for the log.
    pub(super) fn failed(&self, what: &str) -> Response<Bytes> {
        error!(dialect.name = super::NAME, "{what}");
        self.render(&CommonError::Failure)
    }

    /// The same where nobody knows whether something was done, with the way back.
    pub(super) fn failed_at(&self, what: &str, back: &str) -> Response<Bytes> {
        error!(dialect.name = super::NAME, "{what}");
        let words = self.words();
        let lines = vec![words.failed.clone(), words.failed_unsure.clone()];
        let action = Some((back, words.onward.as_str()));
        self.message(StatusCode::INTERNAL_SERVER_ERROR, &words.failed_title, lines, action)
    }

    /// An answer that sends the browser on, from a page of ours: so the next request is our own, and brings the strict
    /// cookie that this one sets.
    pub(super) fn onward(&self, to: &str) -> Response<Bytes> {
        let (words, shell) = (self.words(), Shell { choices: Vec::new(), ..self.shell() });
        let page = Message {
            shell,
            words,
            title: &words.onward_title,
            lines: Vec::new(),
            action: Some((to, &words.onward)),
            aside: false,
            onward: Some(to),
        };
        self.page(StatusCode::OK, &page)
    }
}

/// The language that a query or a form names.
fn language_in(pairs: &[u8]) -> Option<Language> {
    form_urlencoded::parse(pairs).find(|(key, _)| key == "lang").and_then(|(_, tag)| Language::of(&tag))
}

/// The language that was chosen earlier, else the one that the browser prefers.
fn among(headers: &HeaderMap) -> Option<Language> {
    let chosen = cookie(headers, CHOICE).and_then(|tag| Language::of(&tag));
    chosen.or_else(|| language::among(headers, Language::of))
}

/// The value of a cookie; of several the first.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    cookies(headers).find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// Every cookie by its name.
pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// Whether a form may have been sent by another site's page. Every browser says so since 2023; what says nothing is no
/// browser, or one whose strict cookies keep others out all the same.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
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
