//! Recipients of mail: only the stored address of one account (R19 to R23).

use http::Method;

use crate::bench::{
    ANN, BOB, DIALECTS, EXCHANGE, NEW_PASSWORD, Profile, TARGET, bench, status_and_body, text, with_accounts,
};

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
        for dialect in &DIALECTS {
            for email in rejected_addresses() {
                let answer = bench.post(dialect.trigger, dialect.request_body(&email)).await;
                // px0 has an error for missing addresses only, so a malformed one is an unknown user.
                let expected = match (dialect.name, profile) {
                    ("px0", Profile::Hardened) => 200,
                    ("px0", _) => 404,
                    _ => 400,
                };
                assert_eq!(answer.status().as_u16(), expected, "{} {email:?}", dialect.name);
                assert!(!text(&answer).contains("evil"), "{} repeats {email:?}", dialect.name);
            }
        }
        assert!(bench.jobs().is_empty(), "{profile:?}: a request was accepted");
        assert!(bench.mails().await.is_empty());
        // Positive control: the well-formed address does get mail.
        for dialect in &DIALECTS {
            bench.post(dialect.trigger, dialect.request_body("a@b.com")).await;
        }
        let mails = bench.mails().await;
        assert_eq!(mails.len(), 4);
        assert!(mails.iter().all(|mail| mail.to == "a@b.com"));
    }
}

#[tokio::test]
async fn mail_goes_to_the_address_as_stored_not_as_typed() {
    let bench = bench(Profile::Links);
    bench.account("Ann.Lee+b'--@Example.org").await;
    for dialect in &DIALECTS {
        for typed in ["ann.lee+b'--@example.org", "ANN.LEE+B'--@EXAMPLE.ORG", "Ann.Lee+b'--@Example.org"] {
            bench.post(dialect.trigger, dialect.request_body(typed)).await;
            let mails = bench.mails().await;
            assert_eq!(mails.len(), 1, "{} {typed}", dialect.name);
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
        for dialect in &DIALECTS {
            for (account, lookalike) in UNICODE_LOOKALIKES {
                let answer = bench.post(dialect.trigger, dialect.request_body(lookalike)).await;
                assert!(!text(&answer).contains(account), "{} {lookalike}", dialect.name);
                assert!(bench.mails().await.is_empty(), "{} mails {account} for {lookalike}", dialect.name);
            }
        }
    }
    // The exchange of a code does not match it either.
    let bench = bench(Profile::Compatible);
    bench.account("mike@example.org").await;
    let code = bench.mailed(&DIALECTS[crate::bench::INSFORGE], "mike@example.org").await;
    let answer = bench.post(EXCHANGE, format!(r#"{{"email":"mıke@example.org","code":"{code}"}}"#)).await;
    assert_eq!(answer.status(), 400);
    bench.exchanged("mike@example.org", &code).await;
}

#[tokio::test]
async fn only_one_scalar_address_in_one_object_is_accepted() {
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        for dialect in &DIALECTS {
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
                values.iter().map(|value| dialect.request_body_raw(value)).collect();
            let one = dialect.request_body(ANN);
            let fields = &one[1..one.len() - 1];
            bodies.extend([
                format!(r#"{{"email":"{BOB}",{fields}}}"#),
                format!(r#"{{{fields},"email":"{BOB}"}}"#),
                format!(r#"{{{fields},"\u0065mail":"{BOB}"}}"#),
                format!("[{one}]"),
                format!(r#"["{ANN}"]"#),
                format!(r#""{ANN}""#),
                format!("{one}{}", dialect.request_body(BOB)),
                format!("{one},"),
                format!("\u{feff}{one}"),
                format!(r#"{{"EMAIL":"{ANN}"}}"#),
                format!(r#"{{"email[]":"{ANN}"}}"#),
                format!(r#"{{"user":{{"email":"{ANN}"}}}}"#),
                format!("email={ANN}"),
                String::new(),
            ]);
            for body in bodies {
                let answer = bench.post(dialect.trigger, body.clone()).await;
                assert_eq!(answer.status(), 400, "{} {body}", dialect.name);
                assert!(!text(&answer).contains("example.org"), "{} repeats {body}", dialect.name);
            }
            // Two addresses in one string are not an address.
            for both in [format!("{ANN},{BOB}"), format!("{ANN};{BOB}"), format!("{ANN} {BOB}")] {
                assert_ne!(bench.post(dialect.trigger, dialect.request_body(&both)).await.status(), 202);
            }
        }
        assert!(bench.mails().await.is_empty(), "{profile:?}");
    }
}

#[tokio::test]
async fn addresses_in_the_query_or_a_form_are_ignored() {
    for dialect in &DIALECTS {
        let bench = with_accounts(Profile::Links).await;
        for query in [format!("?email={BOB}"), format!("?email[]={BOB}&email={BOB}")] {
            let answer = bench.post(&format!("{}{query}", dialect.trigger), dialect.request_body(ANN)).await;
            assert!(answer.status().is_success(), "{}", dialect.name);
            let mails = bench.mails().await;
            assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), [ANN]);
            let bare = bench.post(&format!("{}{query}", dialect.trigger), "{}").await;
            assert_eq!(bare.status(), 400, "{}", dialect.name);
        }
        for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"] {
            let headers = [("content-type", kind)];
            let answer =
                bench.send(&Method::POST, dialect.trigger, &headers, dialect.request_body(ANN)).await;
            assert_eq!(answer.status(), 415, "{} {kind}", dialect.name);
        }
        assert!(bench.mails().await.is_empty());
    }
}

#[tokio::test]
async fn submitted_text_never_reaches_a_mail() {
    let hostile = ["\\r\\nBcc: c@evil.com", "\\u0000", "\\u0085x", "\\u2028x", "<a href=//evil>", "{{7*7}}"];
    for dialect in &DIALECTS {
        let bench = with_accounts(Profile::Links).await;
        let [secret, _] = dialect.fields;
        bench.post(dialect.trigger, dialect.request_body(ANN)).await;
        let plain = bench.mails().await.remove(0);
        for text in hostile {
            let request = dialect.request_body(ANN);
            let fields = &request[1..request.len() - 1];
            for extra in ["name", "locale", "username", "subject", "from", "to", "cc", "redirectTo2"] {
                let body = format!(r#"{{{fields},"{extra}":"{text}"}}"#);
                let answer = bench.post(dialect.trigger, body).await;
                // worthai and Strapi reject unknown fields; px0 and InsForge ignore them.
                let mails = bench.mails().await;
                match dialect.name {
                    "worthai" | "strapi" => assert!(answer.status() == 400 && mails.is_empty()),
                    _ => {
                        assert_eq!(mails.len(), 1, "{} {extra}", dialect.name);
                        let mail = &mails[0];
                        assert_eq!(
                            (&mail.to, &mail.name, &mail.locale),
                            (&plain.to, &plain.name, &plain.locale)
                        );
                        let start = |secret: &str| secret.rsplit_once('=').map(|(start, _)| start.to_owned());
                        assert_eq!(start(&mail.secret), start(&plain.secret));
                    }
                }
            }
        }
        let answer = bench.post(dialect.reset, format!(r#"{{"{secret}":"\r\nSet-Cookie: a=b"}}"#)).await;
        assert!(!status_and_body(&answer).contains("Set-Cookie"));
    }
    // The only submitted field that is stored: the redirect target.
    let bench = with_accounts(Profile::Links).await;
    for text in hostile {
        for target in [text.to_owned(), format!("{TARGET}{text}"), format!("{TARGET}?x={text}")] {
            let body = format!(r#"{{"email":"{ANN}","redirectTo":"{target}"}}"#);
            assert_eq!(bench.post(DIALECTS[3].trigger, body).await.status(), 400, "{target}");
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
        for dialect in &DIALECTS {
            let mut answers = Vec::new();
            for email in [ANN, BOB, "ghost@example.org", "another.ghost@example.com"] {
                let answer = bench.post(dialect.trigger, dialect.request_body(email)).await;
                let mut headers = answer.headers().clone();
                headers.remove("x-reset-reference").unwrap();
                answers.push((headers, status_and_body(&answer)));
            }
            // px0's contract discloses whether an account exists, but a blocked one looks unknown (R13).
            let disclosed = dialect.name == "px0" && profile != Profile::Hardened;
            let known = answers.remove(0);
            assert_eq!(answers[0].1.starts_with("404 "), disclosed, "{profile:?} {}", dialect.name);
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{profile:?} {}", dialect.name);
            assert_eq!(known != answers[0], disclosed, "{profile:?} {}", dialect.name);
        }
        assert!(bench.mails().await.iter().all(|mail| mail.to == ANN));
    }
}
