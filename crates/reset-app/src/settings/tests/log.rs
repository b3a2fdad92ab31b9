//! The setting `log`.

use super::{environment, sentence};

fn log(text: &str) -> anyhow::Result<super::Settings> {
    environment(&[("POLYRESET_LOG", text)])
}

#[test]
fn word_that_is_no_level_stops_the_start_with_the_level_that_it_stands_for() {
    for (word, level) in
        [("warning", "warn"), ("verbose", "debug"), ("WARNING", "warn"), ("eror", "error"), ("inf", "info")]
    {
        let text = sentence(log(word));
        assert!(text.starts_with(&format!("log (POLYRESET_LOG) is {word:?}; expected a level ")), "{text}");
        assert!(text.ends_with(&format!("; did you mean {level}?")), "{text}");
    }
    for text in ["reset_app", "info,reset_app", "", ",", "reset_app=loud", "reset_app=warning"] {
        assert!(sentence(log(text)).contains("expected a level"), "{text}");
    }
}

#[test]
fn filter_that_names_only_targets_keeps_info_for_all_others() {
    for (text, filter) in [
        ("info", "info"),
        ("WARN", "WARN"),
        ("off", "off"),
        ("warn,reset_app=debug", "warn,reset_app=debug"),
        ("reset_app=debug", "info,reset_app=debug"),
        ("reset_core=debug,reset_mail=off", "info,reset_core=debug,reset_mail=off"),
    ] {
        assert_eq!(log(text).unwrap().log, filter);
    }
}
