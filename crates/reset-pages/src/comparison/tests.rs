//! The comparison says what the rows, the documents and the settings say.

use reset_core::keys::Key;

use super::*;
use crate::{DialectSettings, dialects, insforge};

fn settings() -> DialectSettings {
    DialectSettings::defaults(&Key::shared(&[1; 32]), "https://accounts.example.org")
}

/// Every cell of `tables`, its lines joined by newlines, code in backticks.
fn cells(tables: &[Table]) -> Vec<String> {
    let span = |span: &Span| match span {
        Span::Text(text) => text.clone(),
        Span::Code(code) => format!("`{code}`"),
    };
    let line = |line: &Vec<Span>| line.iter().map(span).collect::<String>();
    let cells = tables.iter().flat_map(|table| table.rows.iter().flatten());
    cells.map(|cell| cell.iter().map(line).collect::<Vec<_>>().join("\n")).collect()
}

#[test]
fn every_dialect_and_every_row_of_one_occurs() {
    let dialects = dialects(settings());
    let tables = tables(&dialects);
    let told = cells(&tables).join("\n");
    let compared = dialects.iter().filter_map(|dialect| Some((dialect, dialect.traits.as_ref()?.title)));
    for (dialect, title) in compared {
        assert!(tables[0].columns.iter().any(|column| column == title), "{title}");
        for (path, _) in &dialect.rows {
            assert!(told.contains(&format!("{path}`")), "{path}");
        }
    }
    assert!(!told.contains("/healthz"));
}

#[test]
fn rows_are_as_wide_as_their_headings() {
    for table in tables(&dialects(settings())) {
        assert!(!table.rows.is_empty(), "{}", table.caption);
        for row in &table.rows {
            assert_eq!(row.len(), table.columns.len(), "{}", table.caption);
        }
    }
}

#[test]
fn what_is_not_served_is_not_compared() {
    let only = DialectSettings { strapi: settings().strapi, ..DialectSettings::default() };
    let tables = tables(&dialects(only));
    assert_eq!(tables[0].columns, ["", "Strapi"]);
    assert!(!cells(&tables).join("\n").contains("px0"));
}

#[test]
fn where_nothing_is_served_no_dialect_is_named() {
    let tables = tables(&dialects(DialectSettings::default()));
    assert_eq!(tables[0].columns, [""]);
    assert!(tables[1].rows.is_empty() && tables[3].rows.is_empty());
}

#[test]
fn it_follows_the_settings_in_force() {
    let mut settings = settings();
    settings.worthai.as_mut().unwrap().base_path = "/elsewhere".into();
    settings.worthai.as_mut().unwrap().token_ttl = Duration::from_secs(7 * 60);
    settings.worthai.as_mut().unwrap().policy.min = 21;
    settings.px0.as_mut().unwrap().disclose_unknown = false;
    settings.strapi.as_mut().unwrap().issue_jwt = false;
    let before = cells(&tables(&dialects(settings.clone()))).join("\n");
    for told in ["`POST /elsewhere/reset-password`", "7 min", "21 characters", "no session token"] {
        assert!(before.contains(told), "{told}\n{before}");
    }
    assert!(!before.contains("user not found"));
    assert!(before.contains("exchange-reset-password-token`\n3. reset"));
    settings.insforge.as_mut().unwrap().method = insforge::Method::Link;
    let after = cells(&tables(&dialects(settings))).join("\n");
    assert!(after.contains("2. open the link: `GET /api/auth/email/reset-password-link`"));
}

#[test]
fn answers_are_the_bytes_that_are_sent() {
    let told = cells(&tables(&dialects(settings())));
    for answer in [
        r#"`404` `{"error":"user not found"}`"#,
        r#"`500` `{"status":"error","message":"invalid signature","errorCode":"UNKNOWN_ERROR","data":{"errorName":"JsonWebTokenError"}}`"#,
        r#"`403` `{"message":"Forbidden","errorCode":"ERR_FORBIDDEN"}`"#,
    ] {
        assert!(told.iter().any(|cell| cell == answer), "{answer}");
    }
    let from_document = "`code`, `password`, `passwordConfirmation`";
    assert!(told.iter().any(|cell| cell == from_document), "{told:#?}");
    assert!(told.iter().any(|cell| cell == "`email`, `[redirectTo]`"), "{told:#?}");
}

#[test]
fn envelopes_are_read_off_their_bytes() {
    let told = cells(&tables(&dialects(settings())));
    for envelope in ["`{error}`", "`{status, message, errorCode, data}`\n`{message, errorCode}`"] {
        assert!(told.iter().any(|cell| cell == envelope), "{envelope}");
    }
}

#[test]
fn a_path_under_two_prefixes_is_one_operation() {
    let told = cells(&tables(&dialects(settings())));
    let both = "`POST /auth/reset-password` or `/api/auth/reset-password`";
    assert_eq!(told.iter().filter(|cell| *cell == both).count(), 1);
    let unlike = "`POST /api/auth/email/reset-password`";
    assert_eq!(told.iter().filter(|cell| *cell == unlike).count(), 1);
}

#[test]
fn times_are_told_in_their_largest_exact_unit() {
    let told = [0, 59, 60, 90, 900, 3_600, 5_400, 86_400, 2_592_000].map(Duration::from_secs).map(span);
    assert_eq!(told, ["0 s", "59 s", "1 min", "90 s", "15 min", "1 h", "90 min", "1 d", "30 d"]);
    assert_eq!(span(Duration::from_millis(1_500)), "1500 ms");
}

#[test]
fn backticks_of_ours_stand_around_code() {
    assert_eq!(said("a `b` c"), [text("a "), code("b"), text(" c")]);
    assert_eq!(said("`b`"), [code("b")]);
    assert_eq!(said(""), []);
}
