//! The sources: flags, environment, file, demo and defaults.

use super::{
    ATTEMPTS, CODE_TTL, DATABASE_URL, Inputs, LISTEN, ORIGINS, PAGE_URL, PUBLIC_URL, SECRET, SECRET_PREVIOUS,
    environment, file, owned, sentence, table, written,
};
use crate::{Profile, Raw, SettingKey, Source, Values};

fn text(values: &Values, key: &SettingKey) -> (Option<String>, String) {
    let value = values.value(key);
    let text = value.raw.as_deref().map(|raw| match raw {
        Raw::Text(text) => text.as_str().to_owned(),
        Raw::List(items) => items.iter().map(|item| item.as_str()).collect::<Vec<_>>().join("|"),
    });
    (text, value.source.to_string())
}

#[test]
fn flag_beats_environment_beats_file_beats_demo_beats_default() {
    let (_dir, path) = written("reset.toml", "# a comment\nlisten = \"file\"\n");
    let sources = |count: usize| {
        let mut inputs = Inputs { demo: vec![("listen", "demo".to_owned())], ..Inputs::default() };
        if count > 1 {
            inputs.config = Some(path.clone());
        }
        if count > 2 {
            inputs.environment = owned(&[("POLYRESET_LISTEN", "environment")]);
        }
        if count > 3 {
            let flag = |name, value: &str| (name, "listen".to_owned(), value.to_owned());
            inputs.flags = vec![flag("--listen", "first flag"), flag("--set", "last flag")];
        }
        let values = inputs.read(&table()).unwrap();
        let (text, source) = text(&values, &LISTEN);
        (text.unwrap(), source)
    };
    let pair = |value: &str, source: &str| (value.to_owned(), source.to_owned());
    assert_eq!(sources(4), pair("last flag", "--set"));
    assert_eq!(sources(3), pair("environment", "POLYRESET_LISTEN"));
    assert_eq!(sources(2), pair("file", &format!("{} line 2", path.display())));
    assert_eq!(sources(1), pair("demo", "serve --demo"));
    let values = environment(&[]).unwrap();
    assert_eq!(text(&values, &LISTEN), (Some("127.0.0.1:80".into()), "default".into()));
    assert!(!values.is_given(&LISTEN) && environment(&[("POLYRESET_LISTEN", "")]).unwrap().is_given(&LISTEN));
}

#[test]
fn secret_on_the_command_line_is_rejected_and_not_quoted() {
    let (_dir, path) = written("secret", "canary");
    let flag = |name: &str, value: &str| {
        let flags = vec![("--set", name.to_owned(), value.to_owned())];
        Inputs { flags, ..Inputs::default() }.read(&table())
    };
    for (name, value, variable, what) in [
        ("secret", "canary", "POLYRESET_SECRET", "is a secret"),
        ("secret_previous", "canary", "POLYRESET_SECRET_PREVIOUS", "is a secret"),
        ("acme.jwt_secret", "canary", "POLYRESET_ACME__JWT_SECRET", "is a secret"),
        ("database_url", "postgres://u:canary@h/d", "POLYRESET_DATABASE_URL", "contains a password"),
    ] {
        let text = sentence(flag(name, value));
        assert_eq!(
            text,
            format!(
                "{name} (--set) {what}, which every user of this machine can read on the command line: set {variable}, \
                 or {variable}_FILE to the path of a file that contains it"
            )
        );
        assert!(environment(&[(variable, value)]).is_ok(), "{variable}");
    }
    assert!(flag("secret_file", path.to_str().unwrap()).is_ok(), "the path of a file is no secret");
    assert!(flag("database_url", "postgres://u@h/d").is_ok());
    let by_host = vec![("set by the host", "secret".to_owned(), "canary".to_owned())];
    assert!(Inputs { flags: by_host, ..Inputs::default() }.read(&table()).is_ok(), "code is no command line");
}

#[test]
fn config_flag_overrides_the_config_variable() {
    let (_one, one) = written("one.toml", "listen = \"one\"");
    let (_two, two) = written("two.toml", "listen = \"two\"");
    let read = |config| {
        let environment = owned(&[("POLYRESET_CONFIG", one.to_str().unwrap())]);
        let values = Inputs { environment, config, ..Inputs::default() }.read(&table()).unwrap();
        values.text(&LISTEN).unwrap()
    };
    assert_eq!((read(None), read(Some(two))), ("one".into(), "two".into()));
    let text = sentence(environment(&[("POLYRESET_CONFIG", "/no/such/file")]));
    assert!(text.starts_with("the settings file /no/such/file cannot be read: "), "{text}");
}

#[test]
fn default_depends_on_the_profile_and_on_the_users_preset() {
    let (hardened, preset) = (("POLYRESET_PROFILE", "hardened"), ("POLYRESET_USERS__PRESET", "px0"));
    let values = environment(&[]).unwrap();
    assert_eq!(values.profile(), Profile::Compatible);
    assert_eq!(text(&values, &CODE_TTL), (Some("15m".into()), "default".into()));
    let values = environment(&[hardened]).unwrap();
    assert_eq!(values.profile(), Profile::Hardened);
    assert_eq!(text(&values, &CODE_TTL), (Some("10m".into()), "profile hardened".into()));
    let values = environment(&[hardened, ("POLYRESET_ACME__CODE_TTL", "1h")]).unwrap();
    assert_eq!(text(&values, &CODE_TTL), (Some("1h".into()), "POLYRESET_ACME__CODE_TTL".into()));
    assert_eq!(text(&environment(&[preset]).unwrap(), &ATTEMPTS), (Some("5".into()), "users.preset".into()));
    for same in ["own", "custom"] {
        let values = environment(&[("POLYRESET_USERS__PRESET", same)]).unwrap();
        assert_eq!(text(&values, &ATTEMPTS), (Some("3".into()), "default".into()), "{same}");
    }
    for key in [&PUBLIC_URL, &PAGE_URL, &SECRET] {
        assert_eq!(text(&values, key), (None, "default".into()), "{} is determined at start", key.name);
        assert_eq!(values.given_text(key).unwrap(), None);
    }
    let text = sentence(environment(&[("POLYRESET_PROFILE", "paranoid")]));
    assert_eq!(text, "profile (POLYRESET_PROFILE) is \"paranoid\"; expected compatible or hardened");
}

#[test]
fn file_has_sections_lists_and_scalars_and_each_value_has_its_line() {
    let values = file(
        "listen = \"x\"\norigins = [\n  \"a\",\n  \"b\",\n]\n[other]\nattempts = 7\n[acme]\nenabled = false\n\
         [users.sessions]\ntable = \"logins\"\n",
    );
    let values = values.unwrap();
    assert_eq!(values.list(&ORIGINS), ["a", "b"]);
    assert_eq!(values.integer(&ATTEMPTS, 1..=10).unwrap(), 7);
    assert!(!values.boolean(&super::ENABLED).unwrap());
    assert_eq!(values.text(&super::SESSIONS).unwrap(), "logins");
    let line = |key: &SettingKey| match values.value(key).source {
        Source::File { line, .. } => *line,
        other => panic!("{} is from {other}", key.name),
    };
    let lines =
        [line(&LISTEN), line(&ORIGINS), line(&ATTEMPTS), line(&super::ENABLED), line(&super::SESSIONS)];
    assert_eq!(lines, [1, 2, 7, 9, 11]);
}

#[test]
fn file_that_is_not_toml_is_rejected_by_line_without_being_quoted() {
    let text = sentence(file("listen = \"x\"\nsecret = canary\n"));
    assert!(text.contains("reset.toml line 2 is not TOML") && !text.contains("canary"), "{text}");
    for (wrong, name) in [
        ("[acme]\nenabled = 1.5", "acme.enabled"),
        ("other.attempts = 0x10", "other.attempts"),
        ("listen = 2020-01-01", "listen"),
        ("origins = [1]", "origins"),
    ] {
        let text = sentence(file(wrong));
        assert!(text.starts_with(&format!("{name} (")) && text.contains(" line "), "{text}");
        let expected = "is not a string, a decimal integer, a boolean or a list of strings";
        assert!(text.ends_with(expected), "{text}");
    }
}

#[test]
fn secret_is_read_from_a_file_and_never_set_twice() {
    let (_dir, path) = written("secret", "of the file\n");
    let path = path.to_str().unwrap();
    let values = environment(&[("POLYRESET_SECRET_FILE", path)]).unwrap();
    assert_eq!(text(&values, &SECRET), (Some("of the file".into()), "POLYRESET_SECRET_FILE".into()));
    let values = environment(&[("POLYRESET_DATABASE_URL_FILE", path)]).unwrap();
    assert_eq!(values.text(&DATABASE_URL).unwrap(), "of the file");
    let both = [("POLYRESET_SECRET", "direct"), ("POLYRESET_SECRET_FILE", path)];
    let text = sentence(environment(&both));
    assert!(
        text.ends_with("set either secret or secret_file, not both") && !text.contains("direct"),
        "{text}"
    );
    // A source of higher precedence may have the other form.
    let (_toml, toml) = written("reset.toml", &format!("secret_file = \"{path}\""));
    let inputs =
        Inputs { environment: owned(&both[..1]), config: Some(toml), ..Inputs::default() }.read(&table());
    assert_eq!(inputs.unwrap().text(&SECRET).unwrap(), "direct");
    let text = sentence(environment(&[("POLYRESET_SECRET_FILE", "/no/such/file")]));
    let begin = "secret_file, set by POLYRESET_SECRET_FILE: /no/such/file cannot be read: ";
    assert!(text.starts_with(begin), "{text}");
    let text = sentence(file("secret_file = [\"a\"]"));
    assert!(text.starts_with("secret_file (") && text.ends_with("line 1) is not a path"), "{text}");
}

#[test]
fn only_a_settings_file_that_contains_a_secret_itself_is_reported() {
    let (_secret, secret) = written("secret", "x");
    for (content, reported) in [
        ("secret = \"x\"".to_owned(), true),
        ("[acme]\njwt_secret = \"x\"".to_owned(), true),
        (format!("secret_file = \"{}\"", secret.display()), false),
        ("listen = \"x\"\ndatabase_url = \"postgres://db\"".to_owned(), false),
    ] {
        let (_dir, path) = written("reset.toml", &content);
        let values = Inputs { config: Some(path.clone()), ..Inputs::default() }.read(&table()).unwrap();
        let files: Vec<&str> = values.files_with_secrets().into_iter().collect();
        assert_eq!(files, if reported { vec![path.to_str().unwrap()] } else { vec![] }, "{content}");
    }
    assert!(environment(&[("POLYRESET_SECRET", "x")]).unwrap().files_with_secrets().is_empty());
}

#[test]
fn list_of_secrets_is_split_at_commas_and_line_ends() {
    let secrets = |values: &Values| {
        values.secrets(&SECRET_PREVIOUS).iter().map(|secret| secret.as_str().to_owned()).collect::<Vec<_>>()
    };
    let (_dir, path) = written("previous", "one\n two \n\nthree\n");
    for read in [
        environment(&[("POLYRESET_SECRET_PREVIOUS", "one, two,,three,")]),
        environment(&[("POLYRESET_SECRET_PREVIOUS_FILE", path.to_str().unwrap())]),
        file("secret_previous = [\"one\", \" two \", \"\", \"three\"]"),
    ] {
        assert_eq!(secrets(&read.unwrap()), ["one", "two", "three"]);
    }
    assert!(secrets(&environment(&[]).unwrap()).is_empty());
}
