//! The bytes of a mail server are a reply of bounded size or a lost connection, the reply's prose never reaches a log, and a
//! message cannot end before its end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reset_mail::fuzzing::{framed, read_reply};

/// Undoes the doubling of dots as a server does, which may take CRLF, CR or LF for the end of a line. Returns the message and
/// the bytes after the line with a single dot.
fn received(framed: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut message, mut place) = (Vec::new(), 0);
    let mut at_start = true;
    while place < framed.len() {
        let rest = &framed[place..];
        if at_start && rest[0] == b'.' {
            match rest.get(1) {
                Some(b'\r' | b'\n') | None => {
                    let after = rest.strip_prefix(b".\r\n").unwrap_or(&rest[1..]);
                    return Some((message, after));
                }
                Some(_) => place += 1,
            }
        }
        let byte = framed[place];
        message.push(byte);
        at_start = matches!(byte, b'\r' | b'\n');
        place += 1;
    }
    None
}

fuzz_target!(|input: (bool, &[u8])| {
    let (is_reply, bytes) = input;
    if !is_reply {
        let sent = framed(bytes);
        let (message, after) = received(&sent).expect("a message ends");
        assert!(after.is_empty(), "nothing follows the end");
        assert!(message == bytes || message == [bytes, b"\r\n"].concat(), "the message arrives as it is");
        return;
    }
    let Some((code, lines, shown)) = read_reply(bytes) else { return };
    assert!((200..600).contains(&code) && (1..=256).contains(&lines.len()));
    assert!(lines.iter().map(String::len).sum::<usize>() <= 3 * bytes.len(), "bounded by what was sent");
    // `550 5.1.1`: digits, dots and spaces only.
    assert!(shown.len() <= 16 && shown.starts_with(&code.to_string()), "{shown}");
    assert!(shown.bytes().all(|byte| byte.is_ascii_digit() || b" .".contains(&byte)), "{shown}");
    // Written again, the same reply is read, unless a line became too long: each byte that is not UTF-8 becomes three.
    if lines.iter().any(|line| line.len() > 4000) {
        return;
    }
    let last = lines.len() - 1;
    let mark = |place| if place == last { ' ' } else { '-' };
    let written = lines.iter().enumerate().map(|(place, line)| format!("{code}{}{line}\r\n", mark(place)));
    let again = read_reply(written.collect::<String>().as_bytes()).expect("a reply");
    assert_eq!(again, (code, lines, shown));
});
