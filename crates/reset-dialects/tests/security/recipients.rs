//! Recipients of mail: only the stored address of one account (R19 to R23).

use http::Method;
use reset_core::email::EmailAddress;
use reset_http::client::Step;

use crate::bench::{
    ANN, BOB, NEW_PASSWORD, Profile, TARGET, attacked, bench, status_and_body, text, with_accounts,
};

/// Dialects whose contract strips white space around an address. The mail goes to the stored address all the same.
const STRIPS_SPACES: &[&str] = &["django"];

/// Dialects without an error for malformed addresses: they answer one like an unknown address. All others answer 400.
const MALFORMED_IS_UNKNOWN: &[&str] = &["px0"];

/// Addresses that mail libraries accept or repair, and that must get no mail (R22).
fn rejected_addresses() -> Vec<String> {
    let mut all: Vec<String> = [
        r#""a@evil.com x"@b.com"#,
        r#""a b"@b.com"#,
        "a@[127.0.0.1]",
        "a@localhost",
        "=?utf-8?q?a?=@b.com",
        "mıke@example.org",
        "a%evil.com@b.com",
        "-oQ/tmp@b.com",
        "a@b.com,c@evil.com",
        "a@b.com;c@evil.com",
        "a@b.com\r\nBcc: c@evil.com",
        "a@b.com\nBcc: c@evil.com",
        "a\r\n@b.com",
        " a@b.com",
        "a@b.com ",
        "\ta@b.com",
        "a\0@b.com",
        "a@b.com\0",
        "<a@b.com>",
        "Ann <a@b.com>",
        "=?x?q?=61=3c@evil.com=3e?=@b.com",
        "a@b..com",
        "@evil.com:a@b.com",
        "a@b.com@evil.com",
        "a@b.com>\r\nRCPT TO:<x@evil.com",
        "a@b.com> ORCPT=test;x@evil.com",
        "a\u{85}@b.com",
        "a\u{2028}@b.com",
        "a@b.com\u{2028}Bcc: c@evil.com",
        "a@b.com(comment)",
        "(c)a@b.com",
        "a!b@b.com",
        "a@b.com.",
        "a@.b.com",
        ".a@b.com",
        "a.@b.com",
        "a@",
        "@b.com",
        "a",
        "a@10.0.0.1",
        "a@b_c.com",
        "a@-b.com",
        "a@xn--a.com",
        "mailto:a@b.com",
    ]
    .map(str::to_owned)
    .into();
    all.push(format!("{}@b.com", "a".repeat(65)));
    all.push(format!("a@{}.com", "b".repeat(300)));
    all.push(format!("a@{}com", "b.".repeat(130)));
    all
}

#[tokio::test]
async fn addresses_that_a_mail_library_repairs_get_no_mail_in_any_dialect() {
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        for lookalike in ["a@b.com", "c@evil.com", "x@evil.com", "mike@example.org", "a@gmail.com"] {
            bench.account(lookalike).await;
        }
        for dialect in &bench.dialects {
            let is_unknown = MALFORMED_IS_UNKNOWN.contains(&dialect.name());
            let expected = if is_unknown { dialect.client.discloses.unwrap_or(200) } else { 400 };
            let strips = STRIPS_SPACES.contains(&dialect.name());
            for email in rejected_addresses() {
                if strips && EmailAddress::parse(email.trim()).is_ok() {
                    continue;
                }
                let answer = bench.request(dialect, &email).await;
                assert_eq!(answer.status().as_u16(), expected, "{} {email:?}", dialect.name());
                assert!(!text(&answer).contains("evil"), "{} repeats {email:?}", dialect.name());
            }
        }
        assert!(bench.jobs().is_empty(), "{profile:?}: a request was accepted");
        assert!(bench.mails().await.is_empty());
        // Positive control: the well-formed address does get mail.
        for dialect in &bench.dialects {
            bench.request(dialect, "a@b.com").await;
        }
        let mails = bench.mails().await;
        assert_eq!(mails.len(), bench.dialects.len());
        assert!(mails.iter().all(|mail| mail.to == "a@b.com"));
    }
}

#[tokio::test]
async fn mail_goes_to_the_address_as_stored_not_as_typed() {
    let bench = bench(Profile::Links);
    bench.account("Ann.Lee+b'--@Example.org").await;
    for dialect in &bench.dialects {
        for typed in ["ann.lee+b'--@example.org", "ANN.LEE+B'--@EXAMPLE.ORG", "Ann.Lee+b'--@Example.org"] {
            bench.request(dialect, typed).await;
            let mails = bench.mails().await;
            assert_eq!(mails.len(), 1, "{} {typed}", dialect.name());
            assert_eq!(mails[0].to, "Ann.Lee+b'--@Example.org");
        }
    }
}

/// An account's address, and one that Unicode case folding or compatibility mapping would treat as equal.
const UNICODE_LOOKALIKES: [(&str, &str); 12] = [
    ("kate@example.org", "\u{212a}ate@example.org"),
    ("mike@example.org", "m\u{131}ke@example.org"),
    ("mike@example.org", "M\u{130}KE@example.org"),
    ("sue@example.org", "\u{17f}ue@example.org"),
    ("off@example.org", "o\u{fb00}@example.org"),
    ("strasse@example.org", "stra\u{df}e@example.org"),
    ("zoe@kiwi.com", "zoe@\u{212a}iwi.com"),
    ("zoe@gmail.com", "zoe@gma\u{131}l.com"),
    ("zoe@sun.com", "zoe@\u{17f}un.com"),
    ("zoe@offer.com", "zoe@o\u{fb00}er.com"),
    ("zoe@fass.de", "zoe@fa\u{df}.de"),
    ("zoe@a.com", "zoe@\u{ff41}\u{ff0e}com"),
];

#[tokio::test]
async fn unicode_lookalike_never_matches_an_ascii_address() {
    for profile in Profile::ALL {
        let bench = bench(profile);
        let mut known: Vec<&str> = UNICODE_LOOKALIKES.iter().map(|(account, _)| *account).collect();
        known.dedup();
        for account in known {
            bench.account(account).await;
        }
        for dialect in &bench.dialects {
            for (account, lookalike) in UNICODE_LOOKALIKES {
                let answer = bench.request(dialect, lookalike).await;
                assert!(!text(&answer).contains(account), "{} {lookalike}", dialect.name());
                let mails = bench.mails().await;
                assert!(mails.is_empty(), "{} mails {account} for {lookalike}", dialect.name());
            }
        }
    }
    // The exchange of a code does not match it either.
    let bench = bench(Profile::Compatible);
    bench.account("mike@example.org").await;
    for dialect in &bench.dialects {
        let code = bench.mailed(dialect, "mike@example.org").await;
        if let Some(exchange) = dialect.client.exchange_of("mıke@example.org", &code) {
            assert_eq!(bench.step(&exchange).await.status(), 400, "{}", dialect.name());
            bench.exchanged(dialect, "mike@example.org", &code).await;
        }
    }
}

#[tokio::test]
async fn only_one_scalar_address_in_one_object_is_accepted() {
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        for dialect in &bench.dialects {
            let values = [
                format!(r#"["{ANN}","{BOB}"]"#),
                format!(r#"["{ANN}"]"#),
                format!(r#"{{"0":"{ANN}"}}"#),
                format!(r#"{{"email":"{ANN}"}}"#),
                "1".to_owned(),
                "true".to_owned(),
                "null".to_owned(),
                r#""""#.to_owned(),
                r#""\ud800@example.org""#.to_owned(),
            ];
            let mut bodies: Vec<String> =
                values.iter().map(|value| dialect.request_raw(value).body).collect();
            let one = dialect.request(ANN).body;
            let fields = &one[1..one.len() - 1];
            bodies.extend([
                format!(r#"{{"email":"{BOB}",{fields}}}"#),
                format!(r#"{{{fields},"email":"{BOB}"}}"#),
                format!(r#"{{{fields},"\u0065mail":"{BOB}"}}"#),
                format!("[{one}]"),
                format!(r#"["{ANN}"]"#),
                format!(r#""{ANN}""#),
                format!("{one}{}", dialect.request(BOB).body),
                format!("{one},"),
                format!("\u{feff}{one}"),
                format!(r#"{{"EMAIL":"{ANN}"}}"#),
                format!(r#"{{"email[]":"{ANN}"}}"#),
                format!(r#"{{"user":{{"email":"{ANN}"}}}}"#),
                format!("email={ANN}"),
                String::new(),
            ]);
            let path = &dialect.request(ANN).path;
            for body in bodies {
                let answer = bench.post(path, body.clone()).await;
                assert_eq!(answer.status(), 400, "{} {body}", dialect.name());
                assert!(!text(&answer).contains("example.org"), "{} repeats {body}", dialect.name());
            }
            // Two addresses in one string are not an address.
            for both in [format!("{ANN},{BOB}"), format!("{ANN};{BOB}"), format!("{ANN} {BOB}")] {
                assert_ne!(bench.request(dialect, &both).await.status(), 202);
            }
        }
        assert!(bench.mails().await.is_empty(), "{profile:?}");
    }
}

#[tokio::test]
async fn addresses_in_the_query_or_a_form_are_ignored() {
    for dialect in &attacked(Profile::Links) {
        let bench = with_accounts(Profile::Links).await;
        let Step { path, body, .. } = dialect.request(ANN);
        for query in [format!("?email={BOB}"), format!("?email[]={BOB}&email={BOB}")] {
            let answer = bench.post(&format!("{path}{query}"), body.clone()).await;
            assert!(answer.status().is_success(), "{}", dialect.name());
            let mails = bench.mails().await;
            assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), [ANN]);
            let bare = bench.post(&format!("{path}{query}"), "{}").await;
            assert_eq!(bare.status(), 400, "{}", dialect.name());
        }
        for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"] {
            let headers = [("content-type", kind)];
            let answer = bench.send(&Method::POST, &path, &headers, body.clone()).await;
            assert_eq!(answer.status(), dialect.status_of_type(kind), "{} {kind}", dialect.name());
        }
        assert!(bench.mails().await.is_empty());
    }
}

#[tokio::test]
async fn submitted_text_never_reaches_a_mail() {
    let hostile = ["\\r\\nBcc: c@evil.com", "\\u0000", "\\u0085x", "\\u2028x", "<a href=//evil>", "{{7*7}}"];
    for dialect in &attacked(Profile::Links) {
        let bench = with_accounts(Profile::Links).await;
        let plain = bench.mail(dialect, ANN).await;
        let Step { path, body, .. } = dialect.request(ANN);
        let fields = &body[1..body.len() - 1];
        for text in hostile {
            for extra in ["name", "locale", "username", "subject", "from", "to", "cc", "redirectTo2"] {
                let answer = bench.post(&path, format!(r#"{{{fields},"{extra}":"{text}"}}"#)).await;
                let mails = bench.mails().await;
                if !dialect.traits().other_fields {
                    assert!(answer.status() == 400 && mails.is_empty(), "{} {extra}", dialect.name());
                    continue;
                }
                let [mail] = mails.as_slice() else { panic!("{} {extra}: {mails:?}", dialect.name()) };
                assert_eq!((&mail.to, &mail.name, &mail.locale), (&plain.to, &plain.name, &plain.locale));
                let start = |secret: &str| secret.split_once('?').map(|(start, _)| start.to_owned());
                assert_eq!(start(&mail.secret), start(&plain.secret));
            }
        }
        for field in dialect.secret_fields() {
            let body = format!(r#"{{"{field}":"\r\nSet-Cookie: a=b"}}"#);
            let answer = bench.post(&dialect.client.redeem.last().unwrap().path, body).await;
            assert!(!status_and_body(&answer).contains("Set-Cookie"), "{}", dialect.name());
        }
    }
    // The only submitted field that is stored: the redirect target.
    let bench = with_accounts(Profile::Links).await;
    for dialect in bench.dialects.iter().filter(|dialect| dialect.client.redirect.is_some()) {
        for text in hostile {
            for target in [text.to_owned(), format!("{TARGET}{text}"), format!("{TARGET}?x={text}")] {
                let Step { path, body, .. } = dialect.request_to(ANN, "\u{1}");
                let body = body.replace("\\u0001", &target);
                assert_eq!(bench.post(&path, body).await.status(), 400, "{target}");
            }
        }
    }
    assert!(bench.mails().await.is_empty());
    assert!(!bench.logs_in(ANN, NEW_PASSWORD).await);
}

#[tokio::test]
async fn responses_do_not_reveal_whether_an_account_exists_or_is_blocked() {
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        bench.block(BOB, true).await;
        for dialect in &bench.dialects {
            let mut answers = Vec::new();
            for email in [ANN, BOB, "ghost@example.org", "another.ghost@example.com"] {
                let answer = bench.request(dialect, email).await;
                let mut headers = answer.headers().clone();
                headers.remove("x-reset-reference").unwrap();
                answers.push((headers, status_and_body(&answer)));
            }
            // px0's contract discloses whether an account exists, but a blocked one looks unknown (R13).
            let disclosed = dialect.name() == "px0" && profile != Profile::Hardened;
            assert_eq!(dialect.client.discloses.is_some(), disclosed, "{profile:?} {}", dialect.name());
            let known = answers.remove(0);
            assert_eq!(answers[0].1.starts_with("404 "), disclosed, "{profile:?} {}", dialect.name());
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{profile:?} {}", dialect.name());
            assert_eq!(known != answers[0], disclosed, "{profile:?} {}", dialect.name());
        }
        assert!(bench.mails().await.iter().all(|mail| mail.to == ANN));
    }
}
