//! `cargo xtask compare`: one story through all four dialects, told step by step in HTTP.
//!
//! Somebody asks for a reset, tries a wrong secret, a weak password, the right ones, and the same again. By
//! default a server is started for it in a throw-away folder; `--url` takes one that runs.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use conformance::{
    dialects::{ClientDialect, DIALECTS, asked, text},
    http::{self, RawResponse},
    mails::{self, ReceivedMail},
    server::Deployment,
};

use crate::root;

/// The help's lines for this command.
const USAGE: &str = "usage: cargo xtask compare [--url http://HOST:PORT --mails DIR --email ADDRESS]";
/// Too short for every rule.
const WEAK: &str = "short";
/// Longest text in a body that is shown whole.
const SHOWN: usize = 64;

/// What happens, in this order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Unknown,
    Ask,
    Wrong,
    Exchange,
    Weak,
    Right,
    Replay,
}

const STEPS: [(Step, &str); 7] = [
    (Step::Unknown, "ask for an address of nobody"),
    (Step::Ask, "ask"),
    (Step::Wrong, "a wrong secret"),
    (Step::Exchange, "the code becomes a token"),
    (Step::Weak, "the right secret, a weak password"),
    (Step::Right, "the right secret"),
    (Step::Replay, "the same again"),
];

/// One request and its answer.
struct Told {
    step: Step,
    path: &'static str,
    sent: String,
    answer: RawResponse,
    /// What came by mail.
    mail: Option<String>,
}

/// Where the story takes place.
struct Scene {
    address: SocketAddr,
    mails: PathBuf,
}

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    if args.is_empty() {
        return on_a_server_of_its_own();
    }
    let [url, mails, email] = options(args)?;
    let scene = Scene { address: address(url)?, mails: PathBuf::from(mails) };
    let plain = |c: char| c.is_ascii_graphic() && !"\"\\".contains(c);
    ensure!(email.contains('@') && email.chars().all(plain), "--email {email}: no plain address");
    let stories = DIALECTS.iter().map(|dialect| tell(dialect, &scene, email));
    print(&stories.collect::<anyhow::Result<Vec<_>>>()?);
    Ok(())
}

/// An account for each dialect on a server that ends with the story.
fn on_a_server_of_its_own() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "starting cargo is what this command is for")]
    let mut cargo = Command::new("cargo");
    let built = cargo.args(["build", "--locked", "-p", "server-axum"]).current_dir(root()).status()?;
    ensure!(built.success(), "the build failed");
    // Cargo puts the server beside this very program.
    let here = std::env::current_exe().context("where this program is")?;
    let folder = tempfile::tempdir()?;
    let mut deployment = Deployment::new(here.with_file_name("server-axum"), folder.path());
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    let email = |dialect: &ClientDialect| format!("{}@example.com", dialect.name);
    for dialect in &DIALECTS {
        deployment.add_user(&email(dialect), "a password to begin with")?;
    }
    let server = deployment.start()?;
    let scene = Scene { address: server.address, mails: deployment.mails() };
    let stories = DIALECTS.iter().map(|dialect| tell(dialect, &scene, &email(dialect)));
    print(&stories.collect::<anyhow::Result<Vec<_>>>()?);
    for dialect in &DIALECTS {
        let accepted = deployment.accepts(&email(dialect), &password(dialect.name))?;
        ensure!(accepted, "{}: the stored hash does not accept the new password", dialect.name);
    }
    println!("\nEach account's stored hash accepts its new password.");
    Ok(())
}

/// The story, up to the first step after which it cannot go on.
fn tell(dialect: &ClientDialect, scene: &Scene, email: &str) -> anyhow::Result<Vec<Told>> {
    let mut story = Vec::new();
    let mut post = |step, path, sent: String| {
        let answer = http::post(scene.address, path, &sent).with_context(|| format!("POST {path}"))?;
        let good = answer.status < 300;
        let body = answer.body.clone();
        story.push(Told { step, path, sent, answer, mail: None });
        anyhow::Ok(good.then_some(body))
    };
    let password = password(dialect.name);

    post(Step::Unknown, dialect.ask, asked(&format!("nobody.{email}")))?;
    let before: BTreeSet<String> = mails::all(&scene.mails)?.into_iter().map(|mail| mail.id).collect();
    if post(Step::Ask, dialect.ask, asked(email))?.is_none() {
        return Ok(story);
    }
    let wanted = |letter: &ReceivedMail| !before.contains(&letter.id) && (dialect.secret)(letter).is_some();
    let letter = mails::wait_for(&scene.mails, email, Duration::from_secs(20), wanted)
        .with_context(|| dialect.name)?;
    let mut secret = (dialect.secret)(&letter).context("a mail with a secret")?.to_owned();

    let wrong = altered(&secret);
    match dialect.exchange {
        None => post(Step::Wrong, dialect.reset, (dialect.body)(&wrong, &password))?,
        Some((path, body)) => {
            post(Step::Wrong, path, body(email, &wrong))?;
            let answer = post(Step::Exchange, path, body(email, &secret))?;
            let Some(token) = answer.as_deref().and_then(|body| text(body, "token")) else {
                return Ok(story);
            };
            token.clone_into(&mut secret);
            None
        }
    };
    post(Step::Weak, dialect.reset, (dialect.body)(&secret, WEAK))?;
    post(Step::Right, dialect.reset, (dialect.body)(&secret, &password))?;
    post(Step::Replay, dialect.reset, (dialect.body)(&secret, &password))?;
    let mailed = letter.link().or(letter.code()).map(shortened);
    story.iter_mut().filter(|told| told.step == Step::Ask).for_each(|told| told.mail.clone_from(&mailed));
    Ok(story)
}

/// A password that satisfies every dialect's rules in either profile.
fn password(name: &str) -> String {
    format!("A-new-passw0rd-for-{name}")
}

/// `secret` with one character changed, where it shows when the secret is shortened.
fn altered(secret: &str) -> String {
    let place = secret.len().saturating_sub(8);
    let (before, rest) = secret.split_at(place);
    let other = if rest.starts_with('0') { '1' } else { '0' };
    format!("{before}{other}{}", rest.get(1..).unwrap_or_default())
}

/// The story of every dialect, step by step, and all statuses side by side.
fn print(stories: &[Vec<Told>]) {
    let of = |story: &'_ [Told], step| story.iter().position(|told| told.step == step);
    for (number, (step, what)) in (1..).zip(STEPS) {
        println!("\n{number}. {what}");
        for (dialect, story) in DIALECTS.iter().zip(stories) {
            let Some(told) = of(story, step).map(|place| &story[place]) else { continue };
            println!("\n   {:<9} > POST {}", dialect.name, told.path);
            println!("             > {}", body(&told.sent));
            println!("             < {} {}", told.answer.status, headers(&told.answer));
            println!("             < {}", body(&told.answer.body));
            if let Some(mail) = &told.mail {
                println!("             @ by mail: {mail}");
            }
        }
    }
    let names = DIALECTS.each_ref().map(|dialect| format!("{:<10}", dialect.name)).concat();
    println!("\n{:<36}{}", "", names.trim_end());
    for (step, what) in STEPS {
        let statuses: Vec<String> = stories
            .iter()
            .map(|story| {
                of(story, step).map_or("-".to_owned(), |place| story[place].answer.status.to_string())
            })
            .map(|status| format!("{status:<10}"))
            .collect();
        println!("{what:<36}{}", statuses.concat().trim_end());
    }
}

/// The headers that differ from dialect to dialect.
fn headers(answer: &RawResponse) -> String {
    let shown = ["content-type", "retry-after", "x-reset-reference"];
    let shown = shown.iter().filter_map(|name| answer.header(name).map(|value| format!("{name}: {value}")));
    shown.collect::<Vec<_>>().join("  ")
}

/// A body, each long text in it shortened.
fn body(body: &str) -> String {
    body.split('"').map(shortened).collect::<Vec<_>>().join("\"")
}

/// Beginning and end of a long secret; whatever else is long stays.
fn shortened(text: &str) -> String {
    let (start, secret) = text.rsplit_once('=').map_or(("", text), |(start, secret)| (start, secret));
    if secret.len() <= SHOWN || !secret.is_ascii() || secret.contains(' ') {
        return text.to_owned();
    }
    let joint = if start.is_empty() { "" } else { "=" };
    format!("{start}{joint}{}…{}", &secret[..24], &secret[secret.len() - 8..])
}

/// The values of `--url`, `--mails` and `--email`: each once, all three.
fn options<'a>(args: &[&'a str]) -> anyhow::Result<[&'a str; 3]> {
    let names = ["--url", "--mails", "--email"];
    let value = |name: &str| {
        let pairs = args.chunks(2).filter(|pair| pair[0] == name);
        let values: Vec<&'a str> = pairs.filter_map(|pair| pair.get(1).copied()).collect();
        match values.as_slice() {
            [only] => Ok(*only),
            _ => bail!("{name} is needed once, with a value; {USAGE}"),
        }
    };
    ensure!(args.len() == 6, "{USAGE}");
    let [url, mails, email] = names.map(value);
    let mails = mails?;
    ensure!(Path::new(mails).is_dir(), "--mails {mails}: no such folder");
    Ok([url?, mails, email?])
}

/// Where a server of this URL listens.
fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let host = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let Some(host) = host.filter(|host| !host.contains('/')) else {
        bail!("--url {url}: http://HOST:PORT is needed");
    };
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut found = host.to_socket_addrs().with_context(|| format!("--url {url}"))?;
    found.next().with_context(|| format!("--url {url}: no such host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_secret_differs_in_one_character_that_counts() {
        assert_eq!(altered("123456"), "023456");
        assert_eq!(altered("023456"), "123456");
        assert_eq!(altered("aa.bb.ccccccccc"), "aa.bb.c0ccccccc");
        assert_eq!(altered("XXXX-XXXX-XXXX-C"), "XXXX-XXX0-XXXX-C");
    }

    #[test]
    fn long_secrets_are_shortened_and_sentences_are_not() {
        let token = "a".repeat(100);
        let short = format!("{}…{}", "a".repeat(24), "a".repeat(8));
        assert_eq!(body(&format!(r#"{{"token":"{token}"}}"#)), format!(r#"{{"token":"{short}"}}"#));
        assert_eq!(shortened(&format!("http://x/?t={token}")), format!("http://x/?t={short}"));
        let sentence = "a sentence ".repeat(20);
        assert_eq!(body(&sentence), sentence);
    }

    #[test]
    fn the_token_is_read_out_of_an_answer() {
        assert_eq!(text(r#"{"token":"abc","expiresAt":"x"}"#, "token"), Some("abc"));
        assert_eq!(text("{}", "token"), None);
    }

    #[test]
    fn options_are_all_there_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let mails = folder.path().to_str().unwrap();
        let all = ["--email", "a@b.example", "--url", "http://127.0.0.1:1", "--mails", mails];
        assert_eq!(options(&all).unwrap(), ["http://127.0.0.1:1", mails, "a@b.example"]);
        assert!(options(&all[..4]).is_err());
        assert!(options(&["--url", "x", "--url", "x", "--mails", mails]).is_err());
        assert!(options(&["--email", "a", "--url", "x", "--mails", "/nowhere/at/all"]).is_err());
    }

    #[test]
    fn a_url_is_a_host_and_a_port() {
        assert_eq!(address("http://127.0.0.1:8080/").unwrap(), SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert_eq!(address("http://127.0.0.1").unwrap().port(), 80);
        assert!(address("https://127.0.0.1").is_err());
        assert!(address("http://127.0.0.1/path").is_err());
    }

    /// The paths that are written out here are rows.
    #[test]
    fn every_path_of_the_story_is_a_row() {
        let root = reset_core::keys::Key::root(&[0; 32]).unwrap();
        let served = reset_dialects::dialects(reset_dialects::DialectSettings::defaults(
            &root,
            "http://127.0.0.1:8080",
        ));
        for dialect in &DIALECTS {
            let rows = &served.iter().find(|served| served.name == dialect.name).unwrap().rows;
            let exchange = dialect.exchange.map(|(path, _)| path);
            for wanted in [Some(dialect.ask), exchange, Some(dialect.reset)].into_iter().flatten() {
                assert!(rows.iter().any(|(path, _)| path == wanted), "{wanted}");
            }
        }
    }
}
