//! Secrets: derived keys, equal secrets, and the permissions of their files.

use std::{fs, os::unix::fs::PermissionsExt};

use reset_core::keys::{Key, Keyring};

use super::{ROOT, environment, sentence, written};
use crate::settings::keys::{KEYS, Secrecy, variable};

const OLD: &str = "yMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5ug=";
const OLDER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn bytes(keys: &Keyring) -> Vec<&[u8]> {
    keys.all().iter().map(Key::as_bytes).collect()
}

#[test]
fn derived_keys_depend_on_the_root_secret() {
    let settings = environment(&[]).unwrap();
    let of = |root: &Key| {
        settings.dialects("http://127.0.0.1:8080", &root.clone().into()).unwrap().strapi.unwrap()
    };
    let (one, two) = (of(&Key::shared(&[1; 32])), of(&Key::shared(&[2; 32])));
    assert_ne!(bytes(&one.tags), bytes(&two.tags));
    assert_ne!(one.jwt_key.as_bytes(), one.tags.current().as_bytes());
}

#[test]
fn previous_secrets_verify_but_never_issue() {
    let list = format!("{OLD}, {OLDER}");
    let settings = environment(&[("POLYRESET_SECRET", ROOT), ("POLYRESET_SECRET_PREVIOUS", &list)]).unwrap();
    let roots = settings.database.secret.likely_roots();
    assert_eq!((roots.all().len(), roots.current().as_bytes()[31]), (3, 0xe7));
    assert_eq!((roots.all()[1].as_bytes()[31], roots.all()[2].as_bytes()[0]), (0xe8, 1));
    let dialects = settings.stand_in().unwrap();
    assert_eq!(bytes(&dialects.worthai.unwrap().jwt_keys), bytes(&roots.derive("worthai.jwt")));
    assert_eq!(bytes(&dialects.insforge.unwrap().tags), bytes(&roots.derive("insforge.tags")));
    let strapi = dialects.strapi.unwrap();
    assert_eq!(bytes(&strapi.tags), bytes(&roots.derive("strapi.tags")));
    assert_eq!(strapi.jwt_key.as_bytes(), roots.current().derive("strapi.jwt").as_bytes());
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
    let given = |more: &[(&str, &str)]| {
        let all = [&[("POLYRESET_SECRET", ROOT), ("POLYRESET_SECRET_PREVIOUS", OLDER)], more].concat();
        environment(&all).and_then(|settings| settings.stand_in()).map(|all| all.worthai.unwrap().jwt_keys)
    };
    let (secret, before) = ("POLYRESET_WORTHAI__JWT_SECRET", "POLYRESET_WORTHAI__JWT_SECRET_PREVIOUS");
    let both = given(&[(secret, new), (before, old)]).unwrap();
    assert_eq!(bytes(&both), [new.as_bytes(), old.as_bytes()]);
    // Back to the derived key: the key derived from the previous root is accepted again.
    let back = given(&[(before, old)]).unwrap();
    assert_eq!((back.all().len(), back.all()[1].as_bytes()), (3, old.as_bytes()));
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
    let secret = KEYS.iter().filter(|key| key.secrecy != Secrecy::Open);
    for key in secret {
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
