//! Tests that the comparison reflects the rows, the documents and the settings.

use super::*;
use crate::testing::{self, all_off_except};

fn served(settings: &[(&str, &str)]) -> Vec<Dialect> {
    testing::served("https://accounts.example.org", settings)
}

/// Returns the traits of this dialect.
fn traits<'a>(dialects: &'a [Dialect], name: &str) -> &'a Traits {
    let dialect = dialects.iter().find(|dialect| dialect.name == name);
    dialect.and_then(|dialect| dialect.traits.as_ref()).unwrap_or_else(|| {
        panic!("{name} has no traits: describe it in crates/dialects/{name}, in Dialect::traits")
    })
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
    let dialects = served(&[]);
    let tables = tables(&dialects);
    let cells = cells(&tables).join("\n");
    for name in reset_dialects::names() {
        let title = traits(&dialects, name).title;
        assert!(tables[0].columns.iter().any(|column| column == title), "{title}");
        assert_eq!(testing::client(&dialects, name).title, title, "the demo and the comparison disagree");
        for (path, _) in dialects.iter().filter(|dialect| dialect.name == name).flat_map(|one| &one.rows) {
            assert!(cells.contains(&format!("{path}`")), "{path}");
        }
    }
    assert!(!cells.contains("/healthz"));
}

#[test]
fn every_row_has_one_cell_per_column() {
    for table in tables(&served(&[])) {
        assert!(!table.rows.is_empty(), "{}", table.caption);
        for row in &table.rows {
            assert_eq!(row.len(), table.columns.len(), "{}", table.caption);
        }
    }
}

#[test]
fn disabled_dialects_are_not_listed() {
    for name in reset_dialects::names() {
        let dialects = served(&all_off_except(|other| other == name));
        let title = traits(&dialects, name).title;
        let tables = tables(&dialects);
        assert_eq!(tables[0].columns, ["", title]);
        let operations = &tables[1].rows;
        assert!(!operations.is_empty() && operations.iter().all(|row| row[1] == [said(title)]), "{title}");
    }
    let without_px0 = cells(&tables(&served(&all_off_except(|name| name != "px0")))).join("\n");
    assert!(!without_px0.contains("px0"));
}

#[test]
fn tables_without_dialects_are_empty() {
    let tables = tables(&[]);
    assert_eq!(tables[0].columns, [""]);
    assert!(tables[1].rows.is_empty() && tables[3].rows.is_empty());
}

#[test]
fn comparison_reflects_the_settings() {
    let settings = [
        ("worthai.base_path", "/elsewhere"),
        ("worthai.token_ttl", "7m"),
        ("px0.disclose_unknown", "false"),
        ("strapi.issue_jwt", "false"),
    ];
    let mut dialects = served(&settings);
    assert!(!cells(&tables(&dialects)).join("\n").contains("21 characters"));
    let worthai = dialects.iter_mut().find(|dialect| dialect.name == "worthai").unwrap();
    worthai.traits.as_mut().unwrap().policy.min = 21;
    let before = cells(&tables(&dialects)).join("\n");
    let policies = ["at least 8 characters", "at least 21 characters"];
    let expected = ["`POST /elsewhere/reset-password`", "7 min", "no session token"];
    for expected in expected.into_iter().chain(policies) {
        assert!(before.contains(expected), "{expected}\n{before}");
    }
    assert!(!before.contains("user not found"));
    assert!(before.contains("exchange-reset-password-token`\n3. reset"));
    let redirect = ("insforge.allowed_redirect_urls", "https://accounts.example.org/reset");
    let linked = served(&[settings.as_slice(), &[("insforge.method", "link"), redirect]].concat());
    let after = cells(&tables(&linked)).join("\n");
    assert!(after.contains("2. open the link: `GET /api/auth/email/reset-password-link`"));
}

#[test]
fn error_responses_show_the_exact_bytes() {
    let cells = cells(&tables(&served(&[])));
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
    let cells = cells(&tables(&served(&[])));
    for envelope in ["`{error}`", "`{status, message, errorCode, data}`\n`{message, errorCode}`"] {
        assert!(cells.iter().any(|cell| cell == envelope), "{envelope}");
    }
}

#[test]
fn aliases_of_a_path_are_one_operation() {
    let cells = cells(&tables(&served(&[])));
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
