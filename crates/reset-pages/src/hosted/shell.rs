//! The frame shared by all hosted pages: language selection, branding, style sheet and Content-Security-Policy.

use askama::Template;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use reset_core::language::{Language, direction};
use reset_words::{LanguagePhrases, PagePhrases};
use url::form_urlencoded;

use super::{
    Pages,
    brand::Brand,
    cookies::{cookie, is_tag},
    icons,
    style::SCRIPT,
};
use crate::html;
use reset_http::{common_error::CommonError, language, route::Call};

/// Cookie that remembers an explicitly chosen language, its path below the public URL, and its `Max-Age` in seconds.
const LANGUAGE_COOKIE: &str = "polyreset-lang";
const LANGUAGE_PATH: &str = "/";
const LANGUAGE_COOKIE_AGE: u32 = 365 * 24 * 60 * 60;

/// An entry of the language menu.
pub(super) struct LanguageLink {
    pub(super) tag: &'static str,
    pub(super) name: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

/// Template variables of the frame around one page.
pub(super) struct Shell<'a> {
    pub(super) brand: &'a Brand,
    pub(super) lang: &'static str,
    /// Primary language subtag. Forms submit it so that the response uses the same language.
    pub(super) primary: &'static str,
    pub(super) dir: &'static str,
    pub(super) style: &'a str,
    pub(super) script: &'static str,
    /// The icon of the browser tab, as a `data:` URL.
    pub(super) icon: &'a str,
    /// First letter of the service's name, shown beside the name if there is no logo.
    pub(super) mark: char,
    pub(super) support_href: Option<String>,
    pub(super) globe: &'static str,
    /// Name of the page's language.
    pub(super) language: &'static str,
    pub(super) languages: Vec<LanguageLink>,
    /// Base path of the demo's pages, while the demo runs.
    pub(super) demo: Option<&'a str>,
}

/// A request for a page, with the language of its response.
#[derive(Clone)]
pub(super) struct Visit<'a> {
    pages: &'a Pages,
    language: Language,
    source: LanguageSource,
    /// URL of this page for the language menu. It ends in `?` or `&`, so that a parameter can be appended.
    page_url: String,
}

/// How the language of a response was determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LanguageSource {
    /// The `lang` parameter of the query: chosen from the menu just now.
    Chosen,
    /// The form, the cookie, `Accept-Language` or the account.
    Request,
    /// The deployment's default.
    Default,
}

impl Pages {
    /// Determines the language of the response to `call`. In order of precedence: the query, the submitted form, the
    /// language cookie, `Accept-Language`, the deployment's default.
    pub(super) fn visit<'a>(&'a self, call: &Call, path: &str) -> Visit<'a> {
        let from_query = language_in(call.request.uri().query().unwrap_or_default().as_bytes());
        // A GET request has no body, hence no form language.
        let from_form = || language_in(call.request.body());
        let headers = call.request.headers();
        let (language, source) = match (from_query, || from_form().or_else(|| self.language_of(headers))) {
            (Some(language), _) => (language, LanguageSource::Chosen),
            (None, otherwise) => match otherwise() {
                Some(language) => (language, LanguageSource::Request),
                None => (self.language, LanguageSource::Default),
            },
        };
        Visit { pages: self, language, source, page_url: format!("{path}?") }
    }

    /// Renders `error` as a page in the client's language.
    pub(super) fn render(&self, error: &CommonError, headers: &HeaderMap) -> Response<Bytes> {
        self.visit_of(headers, "forgot?".to_owned()).render(error)
    }

    /// Renders `error` for a path of any depth, where relative links would lead astray.
    pub(super) fn render_outside(&self, error: &CommonError, headers: &HeaderMap) -> Response<Bytes> {
        self.visit_of(headers, format!("{}/forgot?", self.base)).render(error)
    }

    /// Builds a visit from the headers alone. `page_url` is the page of the language menu.
    fn visit_of(&self, headers: &HeaderMap, page_url: String) -> Visit<'_> {
        let language = self.language_of(headers);
        let source = if language.is_some() { LanguageSource::Request } else { LanguageSource::Default };
        let language = language.unwrap_or(self.language);
        Visit { pages: self, language, source, page_url }
    }

    /// Returns the language of the cookie, else the supported language that `Accept-Language` prefers.
    fn language_of(&self, headers: &HeaderMap) -> Option<Language> {
        let chosen = cookie(headers, &self.cookie_name(LANGUAGE_COOKIE, LANGUAGE_PATH));
        let chosen = chosen.and_then(|tag| Language::of(&tag));
        chosen.or_else(|| language::best_match(headers, Language::of))
    }
}

impl<'a> Visit<'a> {
    /// Adds a query parameter to the URL of the page.
    pub(super) fn with_query(self, name: &str, value: &str) -> Self {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
        Self { page_url: format!("{}{query}&", self.page_url), ..self }
    }

    /// Sets the URL of the page to the form for the link with this tag.
    pub(super) fn for_link(self, tag: &str) -> Self {
        let visit = self.with_query("by", "link");
        if is_tag(tag) { visit.with_query("link", tag) } else { visit }
    }

    /// Uses the account's language if the request does not name one.
    pub(super) fn for_account(self, locale: Option<&str>) -> Self {
        match locale.and_then(Language::of) {
            Some(language) if self.source == LanguageSource::Default => {
                Self { language, source: LanguageSource::Request, ..self }
            }
            _ => self,
        }
    }

    /// Returns the page phrases in this language.
    pub(super) fn words(&self) -> &'a PagePhrases {
        &self.all_words().page
    }

    /// Returns the URL of the page that starts a reset.
    pub(super) fn start(&self) -> String {
        let absolute = self.page_url.starts_with('/');
        if absolute { format!("{}/forgot", self.pages.base) } else { "forgot".to_owned() }
    }

    pub(super) fn all_words(&self) -> &'a LanguagePhrases {
        self.pages.catalogue.of(self.language)
    }

    /// Returns the BCP 47 tag of the language, for the mail of a reset requested on this page.
    pub(super) fn tag(&self) -> &'static str {
        self.language.tag()
    }

    /// Builds the frame of the page.
    pub(super) fn shell(&self) -> Shell<'a> {
        let link = |language: Language| LanguageLink {
            tag: language.tag(),
            name: language.name(),
            href: format!("{}lang={}", self.page_url, language.primary()),
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
            icon: &self.pages.icon_url,
            mark: mark(&self.pages.brand.name),
            support_href: self.pages.brand.support_href(),
            globe: icons::GLOBE,
            language: self.language.name(),
            languages: Language::ALL.into_iter().map(link).collect(),
            demo: self.pages.demo.then_some(&self.pages.base),
        }
    }

    /// Renders `page`. Sets the language cookie if the language was chosen with this request.
    pub(super) fn page(&self, status: StatusCode, page: &impl Template) -> Response<Bytes> {
        let html = page.render().expect("rendering a template into memory cannot fail");
        let mut response = html::page(status, html, &self.pages.policy);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        headers.append(header::VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        if self.source == LanguageSource::Chosen {
            let cookie = self.pages.cookie(
                LANGUAGE_COOKIE,
                self.language.primary(),
                LANGUAGE_PATH,
                "Lax",
                LANGUAGE_COOKIE_AGE,
            );
            headers.append(header::SET_COOKIE, cookie);
        }
        response
    }

    /// Returns the URL of the sign-in page, if configured.
    pub(super) fn sign_in_url(&self) -> Option<&'a str> {
        self.pages.brand.home.as_deref()
    }
}

/// Returns the language named by the `lang` parameter of a query or a form.
fn language_in(pairs: &[u8]) -> Option<Language> {
    form_urlencoded::parse(pairs).find(|(key, _)| key == "lang").and_then(|(_, tag)| Language::of(&tag))
}

/// Whether a form may have been submitted from another site, according to `Sec-Fetch-Site`. All current browsers send
/// the header (since 2023). A request without it is allowed: it comes from a program, or from an older browser, where
/// the `SameSite=Strict` cookies still stop cross-site requests.
pub(crate) fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

/// Returns the letter that stands for a name.
pub(super) fn mark(name: &str) -> char {
    let letter = name.chars().find(|letter| letter.is_alphanumeric()).unwrap_or('?');
    letter.to_uppercase().next().unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_cookie_of_a_name_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; polyreset-lang=de;b=2".parse().unwrap());
        headers.append(header::COOKIE, "polyreset-lang=fr".parse().unwrap());
        assert_eq!(cookie(&headers, LANGUAGE_COOKIE).as_deref(), Some("de"));
        assert_eq!(cookie(&headers, "lang"), None);
    }

    #[test]
    fn form_from_another_site_is_cross_site() {
        let from = |site: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("sec-fetch-site", site.parse().unwrap());
            is_cross_site(&headers)
        };
        assert!(from("cross-site") && from("same-site") && from(""));
        assert!(!from("same-origin") && !from("none") && !is_cross_site(&HeaderMap::new()));
    }
}
