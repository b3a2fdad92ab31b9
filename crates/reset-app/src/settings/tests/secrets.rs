//! Secrets: derived keys, equal secrets, and the permissions of their files.

use std::{fs, os::unix::fs::PermissionsExt};

use reset_core::{
    account::AccountId,
    job::JobId,
    keys::{HmacKey, Keyring, Keys},
    ticket::{Ticket, TicketId, TicketKind},
    time::Timestamp,
};
use reset_http::route::Dialect;
use reset_settings::{Secrecy, variable};

use super::{ROOT, Settings, all_dialects, dialect, environment, issued, keys, sentence, written};

const OLD: &str = "yMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5ug=";
const OLDER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn bytes(keys: &Keyring) -> Vec<&[u8]> {
    keys.all().iter().map(HmacKey::as_bytes).collect()
}

/// Returns the settings of every dialect, with this root secret and more.
fn rooted(secret: &str, more: &[(&str, &str)]) -> Settings {
    all_dialects(&[&[("POLYRESET_SECRET", secret)], more].concat()).unwrap()
}

/// Returns every text of a token that the dialect mails, issued a second before [`accepts`] reads it.
fn mailed_tokens(dialect: &Dialect) -> Vec<String> {
    let tokens = issued(dialect).into_iter().filter(|policy| policy.format.kind() == TicketKind::Token);
    tokens
        .map(|policy| {
            let (account, kind) = (AccountId::new("account"), TicketKind::Token);
            let keys = Keys::new(&HmacKey::shared(b"seed"));
            let secret = policy.format.mint(&keys.seed(dialect.name, kind, "job", &account, 0));
            let issued_at = Timestamp::from_millis(0);
            let ticket = Ticket {
                id: TicketId::new("ticket"),
                dialect: dialect.name.to_owned(),
                kind,
                digest: keys.digest(dialect.name, policy.scope, &account, &secret),
                account,
                email: String::new(),
                epoch: 0,
                reference: None,
                job: JobId::new("job"),
                job_seq: 0,
                nonce: 0,
                redirect_to: None,
                attempts: 0,
                issued_at,
                minted_at: issued_at,
                expires_at: issued_at.plus(policy.lifetime),
                spent_at: None,
                voided_at: None,
            };
            policy.format.seal(&secret, &ticket).as_str().to_owned()
        })
        .collect()
}

/// Whether the hosted page accepts the text as a token of the dialect.
fn accepts(dialect: &Dialect, token: &str) -> bool {
    let now = Timestamp::from_millis(1_000);
    dialect.redemptions.iter().any(|redemption| redemption.parse_link(token, now).is_ok())
}

/// Returns every dialect whose tokens have a keyed part, with the tokens that it mails.
fn keyed(settings: &Settings) -> Vec<(Dialect, Vec<String>)> {
    let served = reset_dialects::names().map(|name| (dialect(settings, name), name));
    let keyed = served.filter_map(|(dialect, name)| {
        let tokens = mailed_tokens(&dialect);
        for token in &tokens {
            assert!(
                accepts(&dialect, token),
                "{name} mails tokens that its Dialect.redemptions cannot parse: add a RedemptionKind::Link in \
                 crates/dialects/{name}/src/lib.rs"
            );
        }
        (!tokens.is_empty()).then_some((dialect, tokens))
    });
    let keyed: Vec<(Dialect, Vec<String>)> = keyed.collect();
    for name in ["worthai", "strapi", "insforge"] {
        assert!(keyed.iter().any(|(dialect, _)| dialect.name == name), "{name} mails tokens");
    }
    keyed
}

/// Asserts that each of `ours` and `theirs` accepts the tokens of the other.
pub(super) fn assert_same_keys(ours: &[Dialect], theirs: &[Dialect]) {
    for (one, other) in [(ours, theirs), (theirs, ours)] {
        for name in reset_dialects::names() {
            let find =
                |dialects: &'_ [Dialect]| dialects.iter().position(|dialect| dialect.name == name).unwrap();
            let (issuer, reader) = (&one[find(one)], &other[find(other)]);
            assert!(mailed_tokens(issuer).iter().all(|token| accepts(reader, token)), "{name}");
        }
    }
}

#[test]
fn derived_keys_depend_on_the_root_secret() {
    let (one, two) = (rooted(ROOT, &[]), rooted(OLDER, &[]));
    for (own, tokens) in keyed(&one) {
        let other = dialect(&two, own.name);
        for token in tokens {
            assert!(accepts(&own, &token) && !accepts(&other, &token), "{}", own.name);
        }
    }
}

#[test]
fn previous_secrets_verify_but_never_issue() {
    let list = format!("{OLD}, {OLDER}");
    let settings = rooted(ROOT, &[("POLYRESET_SECRET_PREVIOUS", &list)]);
    let roots = settings.database.secret.likely_roots();
    assert_eq!((roots.all().len(), roots.current().as_bytes()[31]), (3, 0xe7));
    assert_eq!((roots.all()[1].as_bytes()[31], roots.all()[2].as_bytes()[0]), (0xe8, 1));
    let current = rooted(ROOT, &[]);
    for previous in [rooted(OLD, &[]), rooted(OLDER, &[])] {
        for (before, tokens) in keyed(&previous) {
            let name = before.name;
            let (now, without) = (dialect(&settings, name), dialect(&current, name));
            assert!(tokens.iter().all(|token| accepts(&now, token) && !accepts(&without, token)), "{name}");
            let issued = mailed_tokens(&now);
            assert!(
                issued.iter().all(|token| accepts(&without, token) && !accepts(&before, token)),
                "{name}"
            );
        }
    }
}

#[test]
fn previous_secrets_are_read_from_a_file_or_a_list() {
    let (_dir, path) = written("before", &format!("{OLD}\n{OLDER}\n"));
    let path = path.display().to_string();
    let variables = [("POLYRESET_SECRET", ROOT), ("POLYRESET_SECRET_PREVIOUS_FILE", path.as_str())];
    let kept = environment(&variables).unwrap().database.secret.likely_roots();
    let listed = super::file(&format!("secret = \"{ROOT}\"\nsecret_previous = [\"{OLD}\", \"{OLDER}\"]"));
    let listed = listed.unwrap().database.secret.likely_roots();
    assert_eq!((kept.all().len(), bytes(&kept)), (3, bytes(&listed)));
}

#[test]
fn previous_secrets_are_validated_like_the_secret() {
    for (list, expected) in [
        ("short", "secret_previous (POLYRESET_SECRET_PREVIOUS) is invalid; expected at least 32 bytes"),
        (ROOT, "one of them is the current one"),
        (&[OLDER; 4].join(","), "at most 3 secrets; it has 4"),
    ] {
        let text = sentence(environment(&[("POLYRESET_SECRET", ROOT), ("POLYRESET_SECRET_PREVIOUS", list)]));
        assert!(text.contains(expected) && !text.contains(OLDER) && !text.contains(ROOT), "{text}");
    }
}

#[test]
fn worthai_secret_has_its_own_previous_secret() {
    let (new, old) = ("a secret of worthai's own, the new one", "a secret of worthai's own, the old one");
    let (secret, before) = ("POLYRESET_WORTHAI__JWT_SECRET", "POLYRESET_WORTHAI__JWT_SECRET_PREVIOUS");
    let given = |more: &[(&str, &str)]| {
        let all = [&[("POLYRESET_SECRET", ROOT), ("POLYRESET_SECRET_PREVIOUS", OLDER)], more].concat();
        environment(&all).map(|settings| dialect(&settings, "worthai"))
    };
    // Whether `reader` accepts tokens that settings with `issuer` issue.
    let reads = |reader: &[(&str, &str)], issuer: &[(&str, &str)]| {
        let token = mailed_tokens(&given(issuer).unwrap()).pop().unwrap();
        accepts(&given(reader).unwrap(), &token)
    };
    let both = [(secret, new), (before, old)];
    assert!(reads(&both, &[(secret, new)]) && reads(&both, &[(secret, old)]));
    assert!(!reads(&both, &[]), "the key that is derived from the root");
    assert!(reads(&[(secret, new)], &both) && !reads(&[(secret, old)], &both), "only the current key signs");
    // Back to the derived key: the key derived from the previous root is accepted again.
    let back = [(before, old)];
    let older = dialect(&environment(&[("POLYRESET_SECRET", OLDER)]).unwrap(), "worthai");
    assert!(reads(&back, &[(secret, old)]) && reads(&back, &[]) && !reads(&back, &[(secret, new)]));
    let token = mailed_tokens(&older).pop().unwrap();
    assert!(accepts(&given(&back).unwrap(), &token) && !accepts(&given(&both).unwrap(), &token));
    for (more, expected) in [
        (vec![(secret, new), (before, "too short")], "worthai.jwt_secret_previous"),
        (vec![(secret, OLDER)], "the same as secret"),
        (vec![(secret, new), ("POLYRESET_STRAPI__JWT_SECRET", new)], "the same as"),
        (vec![(secret, new), (before, old), ("POLYRESET_STRAPI__JWT_SECRET", old)], "the same as"),
    ] {
        let error = given(&more).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn secret_file_that_others_can_read_is_rejected() {
    let (_dir, path) = written("secret", ROOT);
    let name = path.display().to_string();
    for key in keys::table().iter().filter(|key| key.secrecy != Secrecy::Open) {
        let variable = variable(key.name) + "_FILE";
        for (mode, whom) in
            [(0o604, "every user"), (0o602, "every user"), (0o640, "a group"), (0o620, "a group")]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let text = sentence(environment(&[(&variable, &name)]));
            let prefix = format!("{}_file, set by {variable}: ", key.name);
            assert!(text.starts_with(&prefix) && text.contains(whom), "{mode:o}: {text}");
            assert!(text.ends_with("chmod 600 it"), "{text}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        let text = environment(&[(&variable, &name)]).err().map(|error| format!("{error:#}"));
        assert!(!text.is_some_and(|text| text.contains("chmod")), "{}", key.name);
    }
}
