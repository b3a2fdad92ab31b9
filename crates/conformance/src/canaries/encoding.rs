//! The encodings in which a log may contain a text, all in lower case.

use std::fmt::Write;

use base64::{
    Engine,
    alphabet::{Alphabet, STANDARD, URL_SAFE},
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};

/// Returns the encodings of `text` with their names.
pub(super) fn all(text: &str) -> Vec<(&'static str, String)> {
    let mut all = vec![("plain", text.to_ascii_lowercase())];
    let mut add = |name, written: String| {
        let written = written.to_ascii_lowercase();
        if all.iter().all(|(_, known)| *known != written) {
            all.push((name, written));
        }
    };
    for space in ["%20", "+"] {
        for kept in ["-._~", "-._~!", "-._~@", "-._~@!$&'()*+,;=:"] {
            add("percent-encoded", percent(text, kept, space));
        }
    }
    add("as a JSON text", text.replace('\\', r"\\").replace('"', "\\\""));
    add(
        "in hexadecimal",
        text.bytes().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
    );
    add("as bytes", text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", "));
    for alphabet in [&STANDARD, &URL_SAFE] {
        for before in 0..3 {
            add("in base64", within_base64(text, alphabet, before));
        }
    }
    all
}

fn percent(text: &str, kept: &str, space: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        match byte {
            b' ' => all.push_str(space),
            _ if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) => all.push(byte.into()),
            _ => {
                let _ = write!(all, "%{byte:02x}");
            }
        }
        all
    })
}

/// Returns the part of a base64 text that depends only on `text`, if the number of bytes before it is `before` modulo
/// three.
fn within_base64(text: &str, alphabet: &Alphabet, before: usize) -> String {
    let padded = [&vec![0; before][..], text.as_bytes()].concat();
    let encoded = GeneralPurpose::new(alphabet, NO_PAD).encode(&padded);
    let start = [0, 2, 3][before];
    let end = padded.len() / 3 * 4 + [0, 1, 2][padded.len() % 3];
    encoded[start..end].to_owned()
}
