//! Tests that the comparison reflects the rows, the documents and the settings.

use reset_core::keys::Key;

use super::*;
use crate::{DialectSettings, dialects, insforge};

fn settings() -> DialectSettings {
    DialectSettings::defaults(&Key::shared(&[1; 32]), "https://accounts.example.org")
}

/// Returns every cell of `tables`, with its lines joined by newlines and code in backticks.
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
fn every_dialect_and_every_path_is_listed() {
    let dialects = dialects(settings());
    let tables = tables(&dialects);
    let cells = cells(&tables).join("\n");
    let compared = dialects.iter().filter_map(|dialect| Some((dialect, dialect.traits.as_ref()?.title)));
    for (dialect, title) in compared {
        assert!(tables[0].columns.iter().any(|column| column == title), "{title}");
        for (path, _) in &dialect.rows {
            assert!(cells.contains(&format!("{path}`")), "{path}");
        }
    }
    assert!(!cells.contains("/healthz"));
}

#[test]
fn every_row_has_one_cell_per_column() {
    for table in tables(&dialects(settings())) {
        assert!(!table.rows.is_empty(), "{}", table.caption);
        for row in &table.rows {
            assert_eq!(row.len(), table.columns.len(), "{}", table.caption);
        }
    }
}

#[test]
fn disabled_dialects_are_not_listed() {
    let only = DialectSettings { strapi: settings().strapi, ..DialectSettings::default() };
    let tables = tables(&dialects(only));
    assert_eq!(tables[0].columns, ["", "Strapi"]);
    assert!(!cells(&tables).join("\n").contains("px0"));
}

#[test]
fn tables_without_dialects_are_empty() {
    let tables = tables(&dialects(DialectSettings::default()));
    assert_eq!(tables[0].columns, [""]);
    assert!(tables[1].rows.is_empty() && tables[3].rows.is_empty());
}

#[test]
fn comparison_reflects_the_settings() {
    let mut settings = settings();
    settings.worthai.as_mut().unwrap().base_path = "/elsewhere".into();
    settings.worthai.as_mut().unwrap().token_ttl = Duration::from_secs(7 * 60);
    settings.worthai.as_mut().unwrap().policy.min = 21;
    settings.px0.as_mut().unwrap().disclose_unknown = false;
    settings.strapi.as_mut().unwrap().issue_jwt = false;
    let before = cells(&tables(&dialects(settings.clone()))).join("\n");
    for expected in ["`POST /elsewhere/reset-password`", "7 min", "21 characters", "no session token"] {
        assert!(before.contains(expected), "{expected}\n{before}");
    }
    assert!(!before.contains("user not found"));
    assert!(before.contains("exchange-reset-password-token`\n3. reset"));
    settings.insforge.as_mut().unwrap().method = insforge::Method::Link;
    let after = cells(&tables(&dialects(settings))).join("\n");
    assert!(after.contains("2. open the link: `GET /api/auth/email/reset-password-link`"));
}

#[test]
fn error_responses_show_the_exact_bytes() {
    let cells = cells(&tables(&dialects(settings())));
    for response in [
        r#"`404` `{"error":"user not found"}`"#,
        r#"`500` `{"status":"error","message":"invalid signature","errorCode":"UNKNOWN_ERROR","data":{"errorName":"JsonWebTokenError"}}`"#,
        r#"`403` `{"message":"Forbidden","errorCode":"ERR_FORBIDDEN"}`"#,
    ] {
        assert!(cells.iter().any(|cell| cell == response), "{response}");
    }
    let from_document = "`code`, `password`, `passwordConfirmation`";
    assert!(cells.iter().any(|cell| cell == from_document), "{cells:#?}");
    assert!(cells.iter().any(|cell| cell == "`email`, `[redirectTo]`"), "{cells:#?}");
}

#[test]
fn error_body_keys_are_listed() {
    let cells = cells(&tables(&dialects(settings())));
    for envelope in ["`{error}`", "`{status, message, errorCode, data}`\n`{message, errorCode}`"] {
        assert!(cells.iter().any(|cell| cell == envelope), "{envelope}");
    }
}

#[test]
fn aliases_of_a_path_are_one_operation() {
    let cells = cells(&tables(&dialects(settings())));
    let aliased = "`POST /auth/reset-password` or `/api/auth/reset-password`";
    assert_eq!(cells.iter().filter(|cell| *cell == aliased).count(), 1);
    let separate = "`POST /api/auth/email/reset-password`";
    assert_eq!(cells.iter().filter(|cell| *cell == separate).count(), 1);
}

#[test]
fn durations_use_the_largest_exact_unit() {
    let formatted = [0, 59, 60, 90, 900, 3_600, 5_400, 86_400, 2_592_000].map(Duration::from_secs).map(span);
    assert_eq!(formatted, ["0 s", "59 s", "1 min", "90 s", "15 min", "1 h", "90 min", "1 d", "30 d"]);
    assert_eq!(span(Duration::from_millis(1_500)), "1500 ms");
}

#[test]
fn backticks_delimit_code() {
    assert_eq!(said("a `b` c"), [text("a "), code("b"), text(" c")]);
    assert_eq!(said("`b`"), [code("b")]);
    assert_eq!(said(""), []);
}
