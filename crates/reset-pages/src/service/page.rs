//! `GET /dialects`: the dialects side by side, as one page that loads nothing and runs nothing.
//!
//! Rendered once, when the rows are laid out. It reads in order without its style sheet, too.

use std::{fmt::Write, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use crate::{
    comparison::{Cell, Span, Table, tables},
    html,
};
use reset_http::route::{Call, Dialect};

const STYLE: &str = include_str!("page.css");
const INTRODUCTION: &str = "This server resets passwords in the dialects below; a client written for one of \
    them changes its base URL and nothing else. Paths, lives and answers are those of this server as it runs. \
    In brackets are fields that may be missing.";

/// The page and the policy that its browser is to follow.
pub(super) struct Page {
    html: Bytes,
    policy: HeaderValue,
}

impl Page {
    /// The comparison of `dialects`.
    pub(super) fn of(dialects: &[Dialect]) -> Self {
        let source = html::source(STYLE);
        let policy = format!(
            "default-src 'none'; style-src {source}; frame-ancestors 'none'; base-uri 'none'; \
             form-action 'none'"
        );
        let policy = HeaderValue::from_str(&policy).expect("base64 is plain ASCII");
        Self { html: whole(&tables(dialects)).into(), policy }
    }
}

#[utoipa::path(get, path = "/dialects", operation_id = "dialects", tag = "polyreset",
    summary = "The dialects side by side",
    responses((status = 200, description = "The served dialects side by side, as a page", body = String,
        content_type = "text/html")))]
pub(super) async fn show(page: Arc<Page>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(html::page(StatusCode::OK, page.html.clone(), &page.policy))
}

fn whole(tables: &[Table]) -> String {
    let shown: Vec<&Table> =
        tables.iter().filter(|table| table.columns.len() > 1 && !table.rows.is_empty()).collect();
    let mut contents = String::new();
    for table in &shown {
        let _ = writeln!(contents, "<li><a href=\"#{}\">{}</a></li>", anchor(table), escape(table.caption));
    }
    if !shown.is_empty() {
        contents = format!("<nav aria-label=\"On this page\"><ul>\n{contents}</ul></nav>\n");
    }
    let tables: String = shown.into_iter().map(table).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>The dialects side by side</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>The dialects side by side</h1>\n<p>{INTRODUCTION}</p>\n\
         <p>Every field and example, <a href=\"docs\">to read and to try</a>, or as a file: \
         <a href=\"openapi.yaml\">openapi.yaml</a>, <a href=\"openapi.json\">openapi.json</a>.</p>\n{contents}{tables}</main>\n</body>\n</html>\n"
    )
}

/// The roles say what the elements are anyway: narrow screens lay the cells out as blocks, and browsers would
/// then no longer tell screen readers of a table.
fn table(table: &Table) -> String {
    let heads: String = table
        .columns
        .iter()
        .map(|head| match head.as_str() {
            "" => "<td role=\"cell\"></td>".to_owned(),
            head => format!("<th scope=\"col\" role=\"columnheader\">{}</th>", inline(head)),
        })
        .collect();
    let rows: String = table.rows.iter().map(|cells| row(&table.columns, cells)).collect();
    // What is compared has a heading of its own in the first column; operations are told by code.
    let class = if table.columns[0].is_empty() { "dialects" } else { "operations" };
    format!(
        "<table class=\"{class}\" role=\"table\" id=\"{}\">\n<caption><h2>{}</h2></caption>\n\
         <thead role=\"rowgroup\"><tr role=\"row\">{heads}</tr></thead>\n<tbody role=\"rowgroup\">\n{rows}\
         </tbody>\n</table>\n",
        anchor(table),
        escape(table.caption)
    )
}

/// What a link to a table ends with.
fn anchor(table: &Table) -> String {
    let plain = table.caption.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ');
    plain.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn row(columns: &[String], cells: &[Cell]) -> String {
    let cell = |(place, (column, lines)): (usize, (&String, &Cell))| {
        let lines = self::lines(lines);
        if place == 0 {
            return format!("<th scope=\"row\" role=\"rowheader\">{lines}</th>");
        }
        let of = escape(&column.replace('`', ""));
        format!("\n<td role=\"cell\" data-of=\"{of}\">{lines}</td>")
    };
    let cells: String = columns.iter().zip(cells).enumerate().map(cell).collect();
    format!("<tr role=\"row\">{cells}</tr>\n")
}

fn lines(cell: &Cell) -> String {
    if let [only] = cell.as_slice() {
        return line(only);
    }
    let blocks = cell.iter().flat_map(|spans| ["<div>".to_owned(), line(spans), "</div>".to_owned()]);
    blocks.collect()
}

fn line(spans: &[Span]) -> String {
    let span = |span: &Span| match span {
        Span::Text(text) => escape(text),
        // Where long bodies may be broken.
        Span::Code(code) => {
            format!("<code>{}</code>", escape(code).replace(',', ",<wbr>").replace(':', ":<wbr>"))
        }
    };
    spans.iter().map(span).collect()
}

/// Words of ours, code between backticks.
fn inline(words: &str) -> String {
    line(&crate::comparison::said(words))
}

/// Text that is text in an element and in a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use reset_core::keys::Key;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::{DialectSettings, dialects};

    fn page() -> String {
        let settings = DialectSettings::defaults(&Key::shared(&[1; 32]), "https://accounts.example.org");
        whole(&tables(&dialects(settings)))
    }

    #[test]
    fn every_served_dialect_and_path_is_on_the_page() {
        let settings = DialectSettings::defaults(&Key::shared(&[1; 32]), "https://accounts.example.org");
        let (page, dialects) = (page(), dialects(settings));
        for dialect in dialects.iter().filter(|dialect| dialect.traits.is_some()) {
            let title = dialect.traits.as_ref().unwrap().title;
            assert!(
                page.contains(&format!("<th scope=\"col\" role=\"columnheader\">{title}</th>")),
                "{title}"
            );
            for (path, _) in &dialect.rows {
                assert!(page.contains(&format!("{path}</code>")), "{path}");
            }
        }
    }

    #[test]
    fn every_table_has_a_heading_that_the_contents_lead_to() {
        let page = page();
        let links: Vec<&str> =
            page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(links.len() > 3 && links.len() == page.matches("<table").count(), "{links:?}");
        for link in links {
            assert_eq!(page.matches(&format!(" id=\"{link}\"")).count(), 1, "{link}");
        }
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_nothing_runs() {
        let page = page();
        for absent in
            ["http:", "https:", "//", "<script", "<link", "<img", "<form", " src=", "@import", "url("]
        {
            assert!(!page.contains(absent), "{absent}");
        }
        for (place, _) in page.match_indices("href=\"") {
            let ours = ["href=\"docs\"", "href=\"openapi.", "href=\"#"];
            assert!(ours.iter().any(|link| page[place..].starts_with(link)));
        }
        for (place, _) in page.match_indices(" on") {
            assert!(!page[place..].split(['>', ' ']).nth(1).unwrap().contains('='), "a handler");
        }
    }

    #[test]
    fn what_is_shown_cannot_be_markup() {
        let hostile = "<script>alert(\"1\" & '2')</script>";
        let table = Table {
            caption: "a < b",
            columns: vec![hostile.into(), hostile.into()],
            rows: vec![vec![
                vec![vec![Span::Text(hostile.into())]],
                vec![vec![Span::Code(hostile.into())], vec![Span::Text(hostile.into())]],
            ]],
        };
        let page = whole(&[table]);
        assert!(!page.contains("<script") && page.contains("<caption><h2>a &lt; b</h2></caption>"), "{page}");
        let escaped = "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;";
        assert!(
            page.contains(&format!("<td role=\"cell\" data-of=\"{escaped}\"><div><code>{escaped}</code>"))
        );
    }

    #[test]
    fn a_base_path_of_the_deployment_is_escaped_on_the_page() {
        let mut settings = DialectSettings::defaults(&Key::shared(&[1; 32]), "https://accounts.example.org");
        settings.worthai.as_mut().unwrap().base_path = "/<b>&".into();
        let page = whole(&tables(&dialects(settings)));
        assert!(page.contains("/&lt;b&gt;&amp;/reset-password") && !page.contains("<b>"));
    }

    #[test]
    fn the_policy_allows_this_style_sheet_and_nothing_else() {
        let page = Page::of(&[]);
        let html = String::from_utf8(page.html.to_vec()).unwrap();
        let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let digest = BASE64_STANDARD.encode(Sha256::digest(style));
        let policy = page.policy.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains(&digest), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'; base-uri 'none'"), "{policy}");
        assert!(!html.contains("style=\""));
    }

    #[test]
    fn without_dialects_there_is_a_page_without_empty_tables() {
        let page = whole(&tables(&dialects(DialectSettings::default())));
        assert!(page.contains("</h1>") && !page.contains("<table"));
    }
}
