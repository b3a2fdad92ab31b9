//! `GET /dialects`: the comparison of the dialects, as one page without scripts or external resources.
//!
//! The page is rendered once, when the rows are built. It is also readable without its style sheet.

use std::{fmt::Write, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use crate::{
    comparison::{Cell, Span, Table, tables},
    html,
};
use reset_http::route::{Call, Dialect};

const STYLE: &str = include_str!("page.css");
const INTRODUCTION: &str = "This server resets passwords through the dialects below. A client written for one of \
    them only needs a new base URL. Paths, lifetimes and responses reflect this server's settings. Fields in \
    brackets are optional.";

/// The rendered page and its Content-Security-Policy.
pub(super) struct Page {
    html: Bytes,
    policy: HeaderValue,
}

impl Page {
    /// Renders the comparison of `dialects`.
    pub(super) fn of(dialects: &[Dialect]) -> Self {
        let tables = tables(dialects);
        let source = html::source(&style(&tables));
        let policy = format!(
            "default-src 'none'; style-src {source}; frame-ancestors 'none'; base-uri 'none'; \
             form-action 'none'"
        );
        let policy = HeaderValue::from_str(&policy).expect("base64 is plain ASCII");
        Self { html: render_page(&tables).into(), policy }
    }
}

#[utoipa::path(get, path = "/dialects", operation_id = "dialects", tag = "polyreset",
    summary = "Comparison of the dialects",
    responses((status = 200, description = "The comparison of the served dialects, as a page", body = String,
        content_type = "text/html")))]
pub(super) async fn show(page: Arc<Page>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(html::page(StatusCode::OK, page.html.clone(), &page.policy))
}

/// Returns the titles of the compared dialects.
fn titles(tables: &[Table]) -> &[String] {
    let compared = tables.iter().find(|table| is_comparison(table) && table.columns.len() > 1);
    compared.map_or(&[], |table| &table.columns[1..])
}

/// Whether a table has one column for each dialect. The first column of a comparison has an empty heading and holds row
/// headings. The other tables have a heading there.
fn is_comparison(table: &Table) -> bool {
    table.columns.first().is_some_and(String::is_empty)
}

/// Returns the style sheet, with the rules that show one dialect at a time on narrow screens: the one that is chosen.
fn style(tables: &[Table]) -> String {
    let mut style = STYLE.to_owned();
    for column in 2..titles(tables).len() + 2 {
        let _ = writeln!(
            style,
            "@media (max-width: 60rem) {{ body:has(#pick-{column}:checked) :is(.dialects tr > td:not(:nth-child({column})), \
             .operations tbody tr:not(.of-{column})) {{ display: none; }} }}"
        );
    }
    style
}

/// Renders the choice of a dialect for narrow screens. It works without a script: the style sheet reads it.
fn render_picker(titles: &[String]) -> String {
    if titles.is_empty() {
        return String::new();
    }
    let choice = |(index, title): (usize, &String)| {
        let checked = if index == 0 { " checked" } else { "" };
        format!(
            "<label><input type=\"radio\" name=\"pick\" id=\"pick-{}\"{checked}> {}</label>\n",
            index + 2,
            escape(title)
        )
    };
    let choices: String = titles.iter().enumerate().map(choice).collect();
    format!(
        "<fieldset class=\"picker\">\n<legend>Dialect</legend>\n{choices}<label><input type=\"radio\" name=\"pick\"> \
         All</label>\n</fieldset>\n"
    )
}

fn render_page(tables: &[Table]) -> String {
    let (style, picker) = (style(tables), render_picker(titles(tables)));
    let shown: Vec<&Table> =
        tables.iter().filter(|table| table.columns.len() > 1 && !table.rows.is_empty()).collect();
    let mut contents = String::new();
    for table in &shown {
        let _ = writeln!(contents, "<li><a href=\"#{}\">{}</a></li>", anchor(table), escape(table.caption));
    }
    if !shown.is_empty() {
        contents = format!("<nav aria-label=\"On this page\"><ul>\n{contents}</ul></nav>\n");
    }
    let titles = titles(tables);
    let tables: String = shown.into_iter().map(|table| render_table(table, titles)).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Comparison of the dialects</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n\
         <h1>Comparison of the dialects</h1>\n<p>{INTRODUCTION}</p>\n\
         <p>All fields and examples: <a href=\"docs\">interactive API reference</a>, \
         <a href=\"openapi.yaml\">openapi.yaml</a>, <a href=\"openapi.json\">openapi.json</a>.</p>\n{contents}{picker}{tables}</main>\n</body>\n</html>\n"
    )
}

/// Renders a table. The ARIA roles are explicit because narrow screens lay the cells out as blocks, and browsers then
/// no longer report a table to screen readers.
fn render_table(table: &Table, titles: &[String]) -> String {
    let heads: String = table
        .columns
        .iter()
        .map(|head| match head.as_str() {
            "" => "<td role=\"cell\"></td>".to_owned(),
            head => format!("<th scope=\"col\" role=\"columnheader\">{}</th>", inline(head)),
        })
        .collect();
    let row = |cells: &Vec<Cell>| {
        let of = if is_comparison(table) { String::new() } else { classes_of(cells, titles) };
        render_row(&table.columns, cells, &of)
    };
    let rows: String = table.rows.iter().map(row).collect();
    let class = if is_comparison(table) { "dialects" } else { "operations" };
    format!(
        "<table class=\"{class}\" role=\"table\" id=\"{}\">\n<caption role=\"caption\"><h2>{}</h2></caption>\n\
         <thead role=\"rowgroup\"><tr role=\"row\">{heads}</tr></thead>\n<tbody role=\"rowgroup\">\n{rows}\
         </tbody>\n</table>\n",
        anchor(table),
        escape(table.caption)
    )
}

/// Returns the fragment identifier of a table.
fn anchor(table: &Table) -> String {
    let plain = table.caption.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ');
    plain.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Returns the classes of a row that is about some dialects, whose titles are in its second cell.
fn classes_of(cells: &[Cell], titles: &[String]) -> String {
    let spans = || cells.get(1).into_iter().flatten().flatten();
    let named = |title: &String| spans().any(|span| matches!(span, Span::Text(text) if text == title));
    let columns = titles.iter().enumerate().filter(|(_, title)| named(title));
    let classes: Vec<String> = columns.map(|(index, _)| format!("of-{}", index + 2)).collect();
    format!(" class=\"{}\"", classes.join(" "))
}

fn render_row(columns: &[String], cells: &[Cell], of: &str) -> String {
    let cell = |(index, (column, cell)): (usize, (&String, &Cell))| {
        let lines = render_cell(cell);
        if index == 0 {
            return format!("<th scope=\"row\" role=\"rowheader\">{lines}</th>");
        }
        let heading = escape(&column.replace('`', ""));
        format!("\n<td role=\"cell\" data-of=\"{heading}\">{lines}</td>")
    };
    let cells: String = columns.iter().zip(cells).enumerate().map(cell).collect();
    format!("<tr role=\"row\"{of}>{cells}</tr>\n")
}

fn render_cell(cell: &Cell) -> String {
    if let [only] = cell.as_slice() {
        return render_line(only);
    }
    let blocks = cell.iter().flat_map(|spans| ["<div>".to_owned(), render_line(spans), "</div>".to_owned()]);
    blocks.collect()
}

fn render_line(spans: &[Span]) -> String {
    let span = |span: &Span| match span {
        Span::Text(text) => escape(text),
        // `<wbr>` lets long bodies wrap.
        Span::Code(code) => {
            format!("<code>{}</code>", escape(code).replace(',', ",<wbr>").replace(':', ":<wbr>"))
        }
    };
    spans.iter().map(span).collect()
}

/// Renders a text in which code stands between backticks.
fn inline(words: &str) -> String {
    render_line(&crate::comparison::said(words))
}

/// Escapes text for an element or a quoted attribute.
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
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::testing;

    fn served(settings: &[(&str, &str)]) -> Vec<Dialect> {
        testing::served("https://accounts.example.org", settings)
    }

    fn page() -> String {
        render_page(&tables(&served(&[])))
    }

    #[test]
    fn every_served_dialect_and_path_is_on_the_page() {
        let (page, dialects) = (page(), served(&[]));
        for name in reset_dialects::names() {
            let dialect = dialects.iter().find(|dialect| dialect.name == name).unwrap();
            let Some(traits) = &dialect.traits else {
                panic!("{name} has no traits: describe it in crates/dialects/{name}, in Dialect::traits")
            };
            let title = traits.title;
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
    fn table_of_contents_links_to_every_table() {
        let page = page();
        let links: Vec<&str> =
            page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(links.len() > 3 && links.len() == page.matches("<table").count(), "{links:?}");
        for link in links {
            assert_eq!(page.matches(&format!(" id=\"{link}\"")).count(), 1, "{link}");
        }
    }

    #[test]
    fn page_loads_no_external_resource_and_runs_no_script() {
        let page = page();
        for absent in
            ["http:", "https:", "//", "<script", "<link", "<img", "<form", " src=", "@import", "url("]
        {
            assert!(!page.contains(absent), "{absent}");
        }
        for (index, _) in page.match_indices("href=\"") {
            let local = ["href=\"docs\"", "href=\"openapi.", "href=\"#"];
            assert!(local.iter().any(|link| page[index..].starts_with(link)));
        }
        for (index, _) in page.match_indices(" on") {
            assert!(!page[index..].split(['>', ' ']).nth(1).unwrap().contains('='), "an event handler");
        }
    }

    #[test]
    fn every_dialect_can_be_chosen_on_a_narrow_screen() {
        let page = page();
        let picker = page.split("<fieldset").nth(1).unwrap().split("</fieldset>").next().unwrap();
        let overview = page.split("<table class=\"dialects\"").nth(1).unwrap();
        let heads = overview.split("</thead>").next().unwrap();
        let titles: Vec<&str> = heads
            .split("role=\"columnheader\">")
            .skip(1)
            .map(|head| head.split('<').next().unwrap())
            .collect();
        assert_eq!(titles.len(), reset_dialects::names().count());
        for (index, title) in titles.iter().enumerate() {
            let column = index + 2;
            let checked = if index == 0 { " checked" } else { "" };
            let choice = format!("id=\"pick-{column}\"{checked}> {title}</label>");
            assert!(picker.contains(&choice), "{choice}");
            let rule =
                format!("body:has(#pick-{column}:checked) :is(.dialects tr > td:not(:nth-child({column})), ");
            assert!(page.contains(&rule), "{rule}");
            let operation = format!("<tr role=\"row\" class=\"of-{column}\">");
            assert!(page.contains(&operation), "{title} has no operation");
        }
    }

    #[test]
    fn cells_and_headings_are_escaped() {
        let hostile = "<script>alert(\"1\" & '2')</script>";
        let table = Table {
            caption: "a < b",
            columns: vec![hostile.into(), hostile.into()],
            rows: vec![vec![
                vec![vec![Span::Text(hostile.into())]],
                vec![vec![Span::Code(hostile.into())], vec![Span::Text(hostile.into())]],
            ]],
        };
        let page = render_page(&[table]);
        assert!(!page.contains("<script") && page.contains("<h2>a &lt; b</h2></caption>"), "{page}");
        let escaped = "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;";
        assert!(
            page.contains(&format!("<td role=\"cell\" data-of=\"{escaped}\"><div><code>{escaped}</code>"))
        );
    }

    #[test]
    fn configured_base_path_is_escaped() {
        let mut dialects = served(&[("worthai.base_path", "/hostile")]);
        let worthai = dialects.iter_mut().find(|dialect| dialect.name == "worthai").unwrap();
        for (path, _) in &mut worthai.rows {
            *path = path.replace("/hostile", "/<b>&");
        }
        worthai.base.served = "/<b>&".into();
        let page = render_page(&tables(&dialects));
        assert!(page.contains("/&lt;b&gt;&amp;/reset-password") && !page.contains("<b>"));
    }

    #[test]
    fn policy_allows_only_the_inline_style_sheet() {
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
    fn page_without_dialects_has_no_empty_tables() {
        let page = render_page(&tables(&[]));
        assert!(page.contains("</h1>") && !page.contains("<table") && !page.contains("<fieldset"));
    }
}
