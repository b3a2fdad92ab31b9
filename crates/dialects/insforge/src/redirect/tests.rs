//! Redirect targets that must be allowed and rejected (R33).

use super::*;

fn list(patterns: &[&str]) -> AllowList {
    AllowList::parse(&patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn admits(pattern: &str, target: &str) -> bool {
    list(&[pattern]).admit(target).is_some()
}

fn parse_error(pattern: &str) -> String {
    AllowList::parse(&["https://app.example.com/r".to_owned(), pattern.to_owned()]).unwrap_err()
}

#[test]
fn empty_list_allows_nothing() {
    assert!(AllowList::default().is_empty());
    for target in ["https://app.example.com/", "http://localhost/", "app://x", ""] {
        assert!(AllowList::default().admit(target).is_none(), "{target}");
    }
}

/// The attack vectors of R33, and variants of them.
#[test]
fn targets_that_a_parser_repairs_or_a_reader_mistakes_are_rejected() {
    let long = format!("https://app.example.com/{}", "a".repeat(2048));
    let dot_segments = format!("https://app.example.com/{}", "./".repeat(1024));
    let grows_when_escaped = format!("https://app.example.com/?{}", "'".repeat(1000));
    for target in [
        "https://app.example.com.evil.com/",
        "https://app.example.com@evil.com/",
        "https://evil.com@app.example.com/",
        "https://u:p@app.example.com/",
        "https://@app.example.com/",
        "https:\\\\evil.com\\@app.example.com",
        "https:\\\\evil.com\\@app",
        "https://app.example.com\\@evil.com/",
        "https://evil.com\\.app.example.com/",
        "https:evil.com",
        "https:app.example.com",
        "https:/app.example.com/",
        "https:///app.example.com/",
        "https:evil.com/?x=https://app.example.com/",
        "https:app.example.com/?x=https://app.example.com/",
        "//evil.com",
        "//app.example.com/",
        "/reset",
        "app.example.com",
        "https://app.example.com%2eevil.com/",
        "https://app%2eexample.com/",
        "https://app.example.com\t.evil.com/",
        "https://app.exam\tple.com/",
        "https://app.example.com/\r\n?x=1",
        "https://app.example.com/?x=1\r\nLocation: https://evil.com",
        " https://app.example.com/",
        "https://app.example.com/ ",
        "https://app.example.com/\0",
        "https://app.exampℓe.com/",
        "https://app。example。com/",
        "https://app.example.com/ä",
        "https://app.example.com./",
        "https://.app.example.com/",
        "https://app..example.com/",
        "https://app.example.com:444/",
        "https://app.example.com:/",
        "https://app.example.com:443@evil.com/",
        "http://app.example.com/",
        "http://app.example.com:443/",
        "ftp://app.example.com/",
        "ws://app.example.com/",
        "wss://app.example.com/",
        "javascript:alert(1)",
        "javascript://app.example.com/%0aalert(1)",
        "data:text/html,x",
        "data://app.example.com/",
        "file:///etc/passwd",
        "file://app.example.com/",
        "vbscript:x",
        "blob:https://app.example.com/x",
        "myapp://app.example.com/",
        "https://evil.com/https://app.example.com/",
        "https://evil.com/?https://app.example.com/",
        "https://evil.com#https://app.example.com/",
        "https://*.example.com/",
        "https://a~b.example.com/",
        "https://app.example.com/a%2f..%2fb",
        "https://app.example.com/a%5Cb",
        "https://app.example.com/<script>",
        "https://",
        "",
        &long,
        &dot_segments,
        &grows_when_escaped,
    ] {
        for pattern in ["https://app.example.com", "https://app.example.com/**", "https://*.example.com/**"] {
            assert!(!admits(pattern, target), "{target:?} against {pattern}");
        }
    }
}

#[test]
fn equivalent_notations_of_a_target_are_allowed() {
    for target in [
        "https://app.example.com/r",
        "https://app.example.com/r/",
        "HTTPS://APP.example.com:443/./x/../r",
        "https://app.example.com/x/%2e%2e/r",
    ] {
        let allowed = list(&["https://app.example.com/r"]);
        let admitted = allowed.admit(target).unwrap_or_else(|| panic!("{target}"));
        assert_eq!(admitted.as_str().trim_end_matches('/'), "https://app.example.com/r");
        // The stored form must be allowed again when the link is opened.
        assert!(allowed.admit(admitted.as_str()).is_some());
    }
    assert!(admits("https://app.example.com", "https://app.example.com/"));
    assert!(admits("https://app.example.com/", "https://app.example.com"));
    assert!(admits("https://APP.example.com:443/r", "https://app.example.com/r"));
    assert!(admits("https://app.example.com:8443/r", "https://app.example.com:8443/r"));
}

#[test]
fn path_query_and_fragment_must_equal_those_of_the_pattern() {
    let pattern = "https://app.example.com/r?lang=de";
    assert!(admits(pattern, "https://app.example.com/r?lang=de"));
    for target in [
        "https://app.example.com/r",
        "https://app.example.com/R?lang=de",
        "https://app.example.com/r?lang=de&next=//evil.com",
        "https://app.example.com/r?lang=de#x",
        "https://app.example.com/rXlang=de",
    ] {
        assert!(!admits(pattern, target), "{target}");
    }
    assert!(!admits("https://app.example.com/r", "https://app.example.com/r?x=1"));
    assert!(!admits("https://app.example.com/r", "https://app.example.com/r#x"));
    let fragment = "https://app.example.com/#/reset";
    assert!(admits(fragment, fragment));
    for target in [
        "https://app.example.com/",
        "https://app.example.com/#/reset/x",
        "https://app.example.com/?x=1#/reset",
        "https://app.example.com/#//evil.com",
    ] {
        assert!(!admits(fragment, target), "{target}");
    }
}

/// Each of these would carry the live token to an open redirector, or to a script that reads the fragment.
#[test]
fn wildcard_of_one_part_of_a_url_does_not_reach_into_another() {
    for target in [
        "https://app.example.com/go?to=%2F%2Fevil.example%2F&x=/reset",
        "https://app.example.com/go?to=//evil.example/reset",
        "https://app.example.com/go?/reset",
        "https://app.example.com/x#/reset",
        "https://app.example.com/x#y/reset",
        "https://app.example.com/?/reset",
        "https://app.example.com/de/reset?",
        "https://app.example.com/de/reset#",
        "https://app.example.com/de/reset?to=//evil.example",
        "https://app.example.com/de/reset#//evil.example",
        "https://app.example.com/go%3fto=x/reset",
        "https://app.example.com/go%3Fto=x/reset",
        "https://app.example.com/go%23x/reset",
        "https://app.example.com/go%2fx/reset",
        "https://app.example.com/go%252fx/reset",
        "https://app.example.com/go%253fx/reset",
        "https://app.example.com/go%5cx/reset",
        "https://app.example.com/go\\x/reset",
        "https://app.example.com/go%0d%0ax/reset",
        "https://app.example.com/go%00/reset",
        "https://app.example.com/go%zz/reset",
        "https://app.example.com/go%/reset",
        "https://app.example.com//reset",
        "https://app.example.com//evil.example/reset",
        "https://app.example.com/de//reset",
        "https://app.example.com/de/../reset",
        "https://app.example.com/de/%2e%2e/reset",
        "https://app.example.com/go;x=1/reset",
        "https://app.example.com/a@b/reset",
        "https://app.example.com/a:b/reset",
        "https://app.example.com/a&b=c/reset",
    ] {
        for pattern in ["https://app.example.com/*/reset", "https://app.example.com/*/*set"] {
            assert!(!admits(pattern, target), "{target} against {pattern}");
        }
    }
    for target in ["https://app.example.com/de/reset", "https://app.example.com/a-b_c.d~1/reset/"] {
        assert!(admits("https://app.example.com/*/reset", target), "{target}");
    }
}

#[test]
fn path_below_a_pattern_has_no_query_and_no_second_reading() {
    let pattern = "https://app.example.com/app/**";
    for target in [
        "https://app.example.com/app",
        "https://app.example.com/app/a/b;v=1",
        "https://app.example.com/app/caf%C3%A9/",
    ] {
        assert!(admits(pattern, target), "{target}");
    }
    for target in [
        "https://app.example.com/app/go?to=//evil.example",
        "https://app.example.com/app/a#x",
        "https://app.example.com/app//evil.example",
        "https://app.example.com/app//",
        "https://app.example.com/app/%2f%2fevil.example",
        "https://app.example.com/app/..%2f..%2fgo",
        "https://app.example.com/app/%2e%2e/go",
        "https://app.example.com/app/go%3fto=x",
        "https://app.example.com/app/a%250ab",
        "https://app.example.com/apps",
    ] {
        assert!(!admits(pattern, target), "{target}");
    }
}

#[test]
fn star_in_a_query_matches_one_plain_value() {
    let pattern = "https://app.example.com/*/r?lang=*&v=1";
    for target in ["https://app.example.com/x/r?lang=de-CH&v=1", "https://app.example.com/x/r?lang=&v=1"] {
        assert!(admits(pattern, target), "{target}");
    }
    for query in [
        "lang=de",
        "lang=de&v=1&to=//evil.example",
        "lang=de&to=x&v=1",
        "lang=de%26to=x&v=1",
        "lang=//evil.example&v=1",
        "lang=%2f%2fevil.example&v=1",
        "lang=a?b&v=1",
        "lang=de&v=1#x",
        "Lang=de&v=1",
    ] {
        assert!(!admits(pattern, &format!("https://app.example.com/x/r?{query}")), "{query}");
    }
    assert!(!admits("https://app.example.com/r?*", "https://app.example.com/r?"));
    assert!(!admits("https://app.example.com/r?*", "https://app.example.com/r?to=x"));
}

#[test]
fn star_in_a_host_matches_one_whole_label() {
    let pattern = "https://*.example.com/r";
    assert!(admits(pattern, "https://a.example.com/r"));
    for host in [
        "example.com",
        "a.b.example.com",
        "a.example.com.evil.com",
        "aexample.com",
        "evil.com",
        ".example.com",
    ] {
        assert!(!admits(pattern, &format!("https://{host}/r")), "{host}");
    }
    assert!(admits("https://preview.*.example.com/", "https://preview.x.example.com/"));
}

#[test]
fn star_in_a_path_stays_within_its_segment() {
    let yes = |pattern, target| assert!(admits(pattern, target), "{target} against {pattern}");
    let no = |pattern, target| assert!(!admits(pattern, target), "{target} against {pattern}");
    yes("https://app.example.com/cb*", "https://app.example.com/cb");
    yes("https://app.example.com/cb*", "https://app.example.com/cb2");
    no("https://app.example.com/cb*", "https://app.example.com/cb2?x=1");
    no("https://app.example.com/cb*", "https://app.example.com/cb/2");
    no("https://app.example.com/cb*", "https://app.example.com/cb?next=/x");
    no("https://app.example.com/cb*", "https://app.example.com/ab");
    yes("https://app.example.com/*", "https://app.example.com/a");
    no("https://app.example.com/*", "https://app.example.com/");
    no("https://app.example.com/*", "https://app.example.com/a/b");
    yes("https://app.example.com/*/r", "https://app.example.com/de/r");
    no("https://app.example.com/*/r", "https://app.example.com//r");
    yes("https://app.example.com/a*b*c", "https://app.example.com/abxbcc");
    no("https://app.example.com/a*b*c", "https://app.example.com/acb");
    no("https://app.example.com/a*b*b", "https://app.example.com/ab");
    no("https://app.example.com/ab*ba", "https://app.example.com/aba");
    yes("https://app.example.com/**", "https://app.example.com");
    yes("https://app.example.com/**", "https://app.example.com/a/b");
    no("https://app.example.com/**", "https://app.example.com/a/b?x=/y#z");
    yes("https://app.example.com/cb/**", "https://app.example.com/cb");
    yes("https://app.example.com/cb/**", "https://app.example.com/cb/a/b");
    no("https://app.example.com/cb/**", "https://app.example.com/cbx");
    no("https://app.example.com/cb/**", "https://app.example.com/cb/../x");
}

#[test]
fn plain_http_is_for_loopback_and_custom_schemes_must_be_listed() {
    assert!(admits("http://localhost:3000/r", "http://localhost:3000/r"));
    assert!(admits("http://127.0.0.1:3000/r", "http://127.0.0.1:3000/r"));
    assert!(admits("http://[::1]:3000/r", "http://[::1]:3000/r"));
    assert!(!admits("http://127.0.0.1/r", "http://127.1/r"));
    assert!(!admits("http://127.0.0.1/r", "http://0x7f000001/r"));
    assert!(!admits("http://127.0.0.1/r", "http://0177.0.01/r"));
    assert!(!admits("http://localhost:3000/r", "http://localhost:3001/r"));
    assert!(!admits("http://localhost:3000/r", "https://localhost:3000/r"));
    assert!(admits("myapp://reset", "myapp://reset"));
    assert!(admits("com.example.app://auth/reset", "com.example.app://auth/reset"));
    assert!(!admits("myapp://reset", "myapp://other"));
    assert!(!admits("myapp://reset", "yourapp://reset"));
}

#[test]
fn invalid_pattern_is_reported_with_the_reason() {
    assert_eq!(
        parse_error("https://*"),
        r#"the redirect URL "https://*" may use * in its host only as a whole label, followed by at least two others"#
    );
    for (pattern, reason) in [
        ("https://*.com/", "whole label"),
        ("https://a*.example.com/", "whole label"),
        ("https://**.example.com/", "whole label"),
        ("myapp://*.example.com/", "only with https"),
        ("http://app.example.com/", "must use https"),
        ("https://app.example.com/?x=**", "only at the end of its path"),
        ("https://app.example.com/#**", "only at the end of its path"),
        ("https://app.example.com//r", "an empty segment"),
        ("https://app.example.com/a%2fb", "an escaped separator"),
        ("https://app.example.com/?a=[b]", "other than * and **"),
        ("https://app.example.com/**/r", "only at the end of its path"),
        ("https://app.example.com/r**", "only at the end of its path"),
        ("https://app.example.com/{a,b}", "other than * and **"),
        ("https://app.example.com/+(a)", "other than * and **"),
        ("https://app.example.com/[ab]", "other than * and **"),
        ("https://u@app.example.com/", "plain host"),
        ("https:///r", "plain host"),
        ("https://a~b.example.com/", "plain host"),
        ("myapp://a%2fb", "plain host"),
        ("myapp:///r", "empty label"),
        ("https://app.example.com./", "empty label"),
        ("https://app。example。com/", "must be ASCII"),
        ("https://app.example.com/ä", "must be ASCII"),
        ("https://app.example.com:*/", "is not a URL"),
        ("javascript:alert(1)", "scheme://host/path"),
        ("javascript://app.example.com/", "cannot open a web page"),
        ("data://x", "cannot open a web page"),
        ("file://x/y", "cannot open a web page"),
        ("vbscript://x", "cannot open a web page"),
        ("*", "scheme://host/path"),
        ("**", "scheme://host/path"),
        ("*://app.example.com/", "is not a URL"),
        ("", "scheme://host/path"),
    ] {
        let text = parse_error(pattern);
        assert!(text.contains(reason) && text.contains(&format!("{pattern:?}")), "{text}");
    }
}

#[test]
fn ready_link_adds_its_keys_and_keeps_the_others() {
    let allowed = list(&[
        "https://app.example.com",
        "https://app.example.com/r",
        "https://app.example.com/r?q=a%20b&e=#/top",
        "https://app.example.com/r?insforge_type=x&a=1&token=mine&b=2&token=more&insforge_error=no",
        "myapp://reset",
    ]);
    let ready = |target: &str| allowed.admit(target).unwrap().ready("c0de").to_string();
    let keys = "token=c0de&insforge_status=ready&insforge_type=reset_password";
    assert_eq!(ready("https://app.example.com"), format!("https://app.example.com/?{keys}"));
    assert_eq!(ready("https://app.example.com/r"), format!("https://app.example.com/r?{keys}"));
    assert_eq!(
        ready("https://app.example.com/r?q=a%20b&e=#/top"),
        format!("https://app.example.com/r?q=a+b&e=&{keys}#/top")
    );
    assert_eq!(
        ready("https://app.example.com/r?insforge_type=x&a=1&token=mine&b=2&token=more&insforge_error=no"),
        "https://app.example.com/r?insforge_type=reset_password&a=1&token=c0de&b=2&insforge_status=ready"
    );
    assert_eq!(ready("myapp://reset"), format!("myapp://reset?{keys}"));
}

#[test]
fn dead_link_carries_the_reason_and_no_token() {
    let allowed = list(&["https://app.example.com/r?token=*&a=1", "https://app.example.com/?token=*"]);
    let failed = |target: &str| allowed.admit(target).unwrap().failed("No & more").to_string();
    let keys = "insforge_status=error&insforge_type=reset_password&insforge_error=No+%26+more";
    assert_eq!(
        failed("https://app.example.com/r?token=mine&a=1"),
        format!("https://app.example.com/r?a=1&{keys}")
    );
    assert_eq!(failed("https://app.example.com/?token=mine"), format!("https://app.example.com/?{keys}"));
}
