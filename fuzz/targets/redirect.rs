//! A target that the allow-list admits leads to an allowed host, path and port, by the reading of browsers, and its stored form
//! is admitted as itself.

#![no_main]

use std::sync::LazyLock;

use dialect_insforge::AllowList;
use libfuzzer_sys::fuzz_target;
use url::Url;

static ALLOWED: LazyLock<AllowList> = LazyLock::new(|| {
    let patterns = [
        "https://app.example.com/reset",
        "https://*.pages.example.net/a/*/reset",
        "https://deep.example.com/below/**",
        "https://q.example.com/reset?lang=*",
        "https://h.example.com/#/reset",
        "http://localhost:3000/reset",
        "myapp://reset",
    ];
    AllowList::parse(&patterns.map(ToOwned::to_owned)).expect("valid patterns")
});

/// The same patterns, as conditions on a parsed URL.
fn is_allowed(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let (path, query, fragment) = (url.path(), url.query(), url.fragment());
    let bare = query.is_none() && fragment.is_none();
    // Without a query and a fragment, one slash at the end makes no difference.
    let path = if bare { path.strip_suffix('/').unwrap_or(path) } else { path };
    let is_word =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let https = url.scheme() == "https" && url.port().is_none();
    match (url.scheme(), host) {
        ("https", "app.example.com") => https && bare && path == "/reset",
        ("https", "deep.example.com") => https && bare && (path == "/below" || path.starts_with("/below/")),
        ("https", "q.example.com") => {
            let lang = query.and_then(|query| query.strip_prefix("lang="));
            https && path == "/reset" && fragment.is_none() && lang.is_some_and(is_word)
        }
        ("https", "h.example.com") => https && path == "/" && query.is_none() && fragment == Some("/reset"),
        ("https", _) => {
            let label = host.strip_suffix(".pages.example.net");
            let segment = path.strip_prefix("/a/").and_then(|rest| rest.strip_suffix("/reset"));
            https
                && bare
                && label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
                && segment.is_some_and(|segment| !segment.is_empty() && is_word(segment))
        }
        ("http", "localhost") => url.port() == Some(3000) && bare && path == "/reset",
        ("myapp", "reset") => bare && url.port().is_none() && path.is_empty(),
        _ => false,
    }
}

fuzz_target!(|input: (u8, &str)| {
    let (choice, rest) = input;
    let start = [
        "",
        "https://app.example.com",
        "https://app.example.com/reset",
        "https://x.pages.example.net/a/",
        "https://deep.example.com/below",
        "https://q.example.com/reset?lang=",
        "https://h.example.com/",
        "http://localhost:3000",
        "myapp://",
    ][usize::from(choice) % 9];
    let text = format!("{start}{rest}");
    let Some(stored) = ALLOWED.stored(&text) else { return };
    let url = Url::parse(&text).expect("an admitted target is a URL");
    assert!(is_allowed(&url), "{text:?}");
    assert!(url.username().is_empty() && url.password().is_none(), "{text:?}");
    assert!(!text.contains(['\\', '\t', '\n', '\r', ' ']) && text.len() <= 2048, "{text:?}");
    assert_eq!(ALLOWED.stored(&stored).as_ref(), Some(&stored), "the stored form is admitted as itself");
    assert!(is_allowed(&Url::parse(&stored).unwrap()), "{stored:?}");
});
