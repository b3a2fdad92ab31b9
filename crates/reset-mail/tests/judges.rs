//! Mails, judged by programs of others: `SpamAssassin`, and a verifier of DKIM signatures.
//!
//! `cargo xtask test` installs them. Where they are missing, the tests are skipped with a message; in CI they fail.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Output, Stdio},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use reset_core::language::Language;
use reset_mail::{DkimSigner, MailKind, MailService, TransportConfig};
use reset_words::brand::{Brand, Colour, Logo};

const PUBLIC_URL: &str = "https://accounts.example.com";
/// Highest acceptable score. Five points are spam, and providers add points of their own.
const SCORE_MAX: f64 = 1.0;

/// GTUBE, the test string of `SpamAssassin`.
const SPAM: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/// A logo of 240 by 64 pixels.
const LOGO: &[u8] = include_bytes!("logo.png");

fn service() -> MailService {
    let from = "Acme <no-reply@example.com>";
    let service = MailService::new(vec![TransportConfig::Stdout], from, "accounts.example.com");
    let logo = Logo::read("png", LOGO.to_vec()).ok();
    service.unwrap_or_else(|error| panic!("{error}")).with_brand(Brand {
        name: "Acme".to_owned(),
        logo: logo.clone(),
        logo_dark: logo,
        accent: Colour::parse("#0f766e"),
        support: Some("help@example.com".to_owned()),
        home: Some("https://example.com/login".to_owned()),
        address: Some("Acme Ltd, 1 Example Street, London".to_owned()),
        ..Brand::default()
    })
}

/// Returns each kind of mail in each language with its name.
fn every_mail(service: &MailService) -> Vec<(String, Vec<u8>)> {
    let mut mails = Vec::new();
    for language in Language::ALL {
        for kind in MailKind::ALL {
            let preview = service.preview(kind, "px0", Some(language.tag()), PUBLIC_URL, true);
            mails.push((format!("{} in {}", kind.name(), language.tag()), preview.message));
        }
    }
    mails
}

/// Runs a program with this input. `None` if it is not installed.
#[expect(clippy::disallowed_methods, reason = "the program judges what this crate writes")]
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Option<Output> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.ok()?;
    let mut stdin = child.stdin.take().unwrap_or_else(|| panic!("stdin is piped"));
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("{program}: {error}"));
    drop(writer.join());
    Some(output)
}

/// Reports that a program is missing.
#[expect(clippy::disallowed_methods, reason = "CI must not skip tests")]
fn skip(program: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{program} is not installed, and CI must not skip its test"
    );
    let _ = writeln!(std::io::stderr(), "SKIPPED: the test with {program}, which is not installed");
}

#[test]
fn no_mail_looks_like_spam_to_spamassassin() {
    let mut mails = every_mail(&service());
    // The judge must be able to condemn: a sample that every installation counts as spam.
    mails.push(("spam".to_owned(), format!("Subject: sample\r\n\r\n{SPAM}\r\n").into_bytes()));
    let mut mailbox = Vec::new();
    for (name, message) in &mails {
        mailbox.extend(
            format!("From no-reply@example.com Mon Nov 30 14:02:00 2026\nX-Sample: {name}\n").into_bytes(),
        );
        mailbox.extend(String::from_utf8_lossy(message).replace("\r\n", "\n").into_bytes());
        mailbox.push(b'\n');
    }
    // Local tests only (-L): no DNS and no other server. Nothing is learned, and no user's settings count.
    let arguments = ["-L", "-t", "-x", "--mbox", "--cf=use_bayes 0"];
    let Some(output) = run("spamassassin", &arguments, &mailbox) else {
        return skip("spamassassin");
    };
    let report = String::from_utf8_lossy(&output.stdout).replace("\n\t", " ");
    // The mails are judged in any order.
    let judged: BTreeMap<&str, &str> = report
        .split("\nFrom ")
        .filter_map(|mail| {
            let field = |name| mail.lines().find_map(|line| line.strip_prefix(name));
            Some((field("X-Sample: ")?, field("X-Spam-Status: ")?))
        })
        .collect();
    for (name, _) in &mails {
        let verdict = judged.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not judged: {report}"));
        let score = verdict.split_once("score=").and_then(|(_, rest)| rest.split(' ').next());
        let score: f64 = score.and_then(|score| score.parse().ok()).unwrap_or_else(|| panic!("{verdict}"));
        assert_eq!(score < SCORE_MAX, name != "spam", "{name}: {verdict}");
    }
}

/// Verifies the signature of the message on stdin with the DNS record in the argument, by dkimpy.
const VERIFY: &str = "
import sys
try:
    import dkim
except ImportError:
    sys.exit(77)
record = sys.argv[1].encode()
names = []
def txt(name, timeout=5):
    names.append(name)
    return record
print(dkim.verify(sys.stdin.buffer.read(), dnsfunc=txt), names[0].decode())
";

/// Returns what dkimpy says of a message; `None` if it is not installed. Debian installs it for its own Python only.
fn verified(message: &[u8], record: &str) -> Option<String> {
    ["python3", "/usr/bin/python3"].into_iter().find_map(|python| {
        let output = run(python, &["-c", VERIFY, record], message)?;
        assert!(output.status.success() || output.status.code() == Some(77), "{output:?}");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    })
}

/// Returns a new private key in PEM and the DNS record of its public key, made by OpenSSL with these arguments.
fn key(arguments: &[&str]) -> Option<(String, String)> {
    let pem = run("openssl", arguments, b"")?.stdout;
    let public = run("openssl", &["pkey", "-pubout", "-outform", "DER"], &pem)?.stdout;
    let pem = String::from_utf8_lossy(&pem).into_owned();
    let encoded = |bytes| BASE64_STANDARD.encode(bytes);
    Some(if arguments.contains(&"ed25519") {
        // RFC 8463, 4.2: the bare key, which is the end of the DER form.
        (pem, format!("v=DKIM1; k=ed25519; p={}", encoded(&public[public.len() - 32..])))
    } else {
        (pem, format!("v=DKIM1; k=rsa; p={}", encoded(&public[..])))
    })
}

#[test]
fn signatures_are_valid_to_another_implementation_and_only_for_the_whole_mail() {
    for arguments in [
        &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..],
        &["genrsa", "-traditional", "3072"],
        &["genpkey", "-algorithm", "ed25519"],
    ] {
        let Some((pem, record)) = key(arguments) else { return skip("openssl") };
        let signer = DkimSigner::new(&pem, "Example.com", "s1").unwrap_or_else(|error| panic!("{error}"));
        let (service, message) = (service().with_dkim(signer), |mails: &[(String, Vec<u8>)], of: &str| {
            let (_, message) = mails.iter().find(|(name, _)| name == of).unwrap_or_else(|| panic!("{of}"));
            String::from_utf8_lossy(message).into_owned()
        });
        let mails = every_mail(&service);
        for of in ["reset-link in en", "reset-code in ar", "password-changed in ja"] {
            let text = message(&mails, of);
            assert!(text.starts_with("DKIM-Signature: v=1; a="), "{of}");
            assert!(text.split("\r\n").all(|line| line.len() <= 78), "{of}");
            let Some(verdict) = verified(text.as_bytes(), &record) else { return skip("dkimpy") };
            assert_eq!(verdict, "True s1._domainkey.example.com.", "{of}");
        }
        let text = message(&mails, "reset-link in en");
        for (part, forged) in [
            ("\r\nTo: ada@example.com", "\r\nTo: eve@example.com"),
            ("\r\nTo: ", "\r\nCc: eve@example.net\r\nTo: "),
            ("\r\nFrom: ", "\r\nFrom: Eve <eve@example.net>\r\nFrom: "),
            ("Hi Ada", "Hi Eve"),
        ] {
            let forged = text.replacen(part, forged, 1);
            assert_ne!(forged, text, "{part}");
            let verdict = verified(forged.as_bytes(), &record);
            assert_eq!(verdict.as_deref(), Some("False s1._domainkey.example.com."), "{part}");
        }
    }
}
