//! The paths as a table, for people.

use std::fmt::Write as _;

use super::Routing;

pub(super) fn written(routing: &Routing) -> String {
    let rows: Vec<[String; 3]> = routing
        .paths
        .iter()
        .map(|routed| {
            let mut path = routed.path.clone();
            if routed.lenient {
                path += "  (any case, with or without a slash at the end)";
            }
            [routed.methods(","), routed.dialect.to_owned(), path]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let (methods, dialects) = (width(0).max("METHODS".len()), width(1).max("DIALECT".len()));
    let mut text = format!("{:methods$}  {:dialects$}  PATH\n", "METHODS", "DIALECT");
    for [method, dialect, path] in &rows {
        let _ = writeln!(text, "{method:methods$}  {dialect:dialects$}  {path}");
    }
    if routing.strips() {
        let _ =
            writeln!(text, "\nThe proxy must strip {} from the paths that begin with it.", routing.prefix);
    }
    for path in &routing.left {
        let _ = writeln!(text, "\n{path} stays with your back end: polyreset knows only some of its values.");
    }
    text
}
