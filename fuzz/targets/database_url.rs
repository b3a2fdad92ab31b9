//! The parser of `database_url` never repeats a password, neither in an error nor in the debug form of what it accepts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reset_diesel::Database;

const PASSWORD: &str = "canary7f3a";

fuzz_target!(|input: (u8, &str)| {
    let (choice, rest) = input;
    // SQLite has no passwords: the text after `sqlite://` is a path, which errors quote.
    let scheme = ["postgres", "postgresql", "mysql", "mariadb", "mssql", ""][usize::from(choice) % 6];
    let url = match (choice / 6) % 4 {
        0 => format!("{scheme}://u:{PASSWORD}@{rest}"),
        1 => format!("{scheme}://{rest}?password={PASSWORD}"),
        // Not a URL, but the keywords of libpq.
        2 => format!("user=u password={PASSWORD} {rest}"),
        _ => {
            // Any text: equal texts have equal results.
            assert_eq!(text(rest), text(rest));
            return;
        }
    };
    let text = text(&url);
    assert!(!text.contains(PASSWORD), "{text}");
});

/// Everything that a log could show of a URL.
fn text(url: &str) -> String {
    match Database::at(url) {
        Ok(database) => format!("{database:?}"),
        Err(error) => format!("{error} {error:?}"),
    }
}
