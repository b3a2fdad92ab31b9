//! Forms as request bodies. All fields are strings; a file is no field.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::header;
use multer::Multipart;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{Object, Undecodable, Value};

/// Decodes a body of type `application/x-www-form-urlencoded`.
pub(super) fn decode(body: &[u8]) -> Result<Object, Undecodable> {
    let mut object = Object::default();
    for (name, value) in form_urlencoded::parse(body) {
        // The parser puts this character in the place of bytes that are not UTF-8.
        if name.contains(char::REPLACEMENT_CHARACTER) || value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Undecodable::Malformed);
        }
        object.add(name.into_owned(), text(value.into_owned()))?;
    }
    Ok(object)
}

/// Decodes a body of type `multipart/form-data`, whose parts `boundary` separates.
pub(super) async fn decode_multipart(body: &Bytes, boundary: Option<&str>) -> Result<Object, Undecodable> {
    let boundary = boundary.ok_or(Undecodable::Malformed)?;
    let mut parts = Multipart::new(stream::iter([Ok::<_, Infallible>(body.clone())]), boundary);
    let mut object = Object::default();
    while let Some(part) = parts.next_field().await.map_err(|_| Undecodable::Malformed)? {
        let disposition = part.headers().get(header::CONTENT_DISPOSITION).and_then(|text| text.to_str().ok());
        let name = disposition.and_then(field_name).ok_or(Undecodable::Malformed)?.to_owned();
        let value = part.bytes().await.map_err(|_| Undecodable::Malformed)?;
        let value = String::from_utf8(value.into()).map_err(|_| Undecodable::Malformed)?;
        object.add(name, text(value))?;
    }
    Ok(object)
}

/// Returns the name in a `Content-Disposition` of the one form that all clients send. Readers disagree about the others: a
/// second name, a parameter in capitals, an extended file name.
fn field_name(disposition: &str) -> Option<&str> {
    let name = disposition.strip_prefix("form-data; name=\"")?.strip_suffix('"')?;
    (!name.contains(['"', '\\'])).then_some(name)
}

fn text(value: String) -> Value {
    Value::Text(Zeroizing::new(value))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::{super::Field, *};

    fn field(object: Result<Object, Undecodable>, name: &str) -> Result<Option<String>, Undecodable> {
        object.map(|object| match object.field(name) {
            Field::Text(text) => Some(text.to_owned()),
            _ => None,
        })
    }

    fn multipart(body: &str) -> Result<Object, Undecodable> {
        let body = Bytes::from(body.replace('\n', "\r\n"));
        decode_multipart(&body, Some("x")).now_or_never().expect("the body is in memory")
    }

    #[test]
    fn form_is_decoded_and_ambiguous_forms_are_rejected() {
        assert_eq!(field(decode(b"a=1&email=a%2Bb%40c.org+&b"), "email"), Ok(Some("a+b@c.org ".into())));
        assert_eq!(field(decode(b""), "email"), Ok(None));
        let many: Vec<String> = (0..=64).map(|number| format!("k{number}=")).collect();
        for body in ["a=1&a=2", "a=1&%61=2", "a=%ff", "%ff=a", &many.join("&")] {
            assert_eq!(field(decode(body.as_bytes()), "a"), Err(Undecodable::Malformed), "{body}");
        }
    }

    #[test]
    fn multipart_is_decoded_and_ambiguous_ones_are_rejected() {
        let part = |name: &str, value: &str| {
            format!("--x\nContent-Disposition: form-data; name=\"{name}\"\n\n{value}\n")
        };
        let whole = format!("{}{}--x--\n", part("a", "1"), part("email", "ä\nb "));
        assert_eq!(field(multipart(&whole), "email"), Ok(Some("ä\r\nb ".into())));
        let file = part("a\"; filename=\"b", "1") + "--x--\n";
        let twice = format!("{}{}--x--\n", part("a", "1"), part("a", "2"));
        let other = |disposition: &str| format!("--x\nContent-Disposition: {disposition}\n\n1\n--x--\n");
        for disposition in [
            "attachment; name=\"a\"",
            "form-data; name=\"a\"; name=\"b\"",
            "form-data; name=\"a\"; FILENAME=\"b\"",
            "form-data; name=\"a\"; filename*=UTF-8''b",
        ] {
            assert_eq!(
                field(multipart(&other(disposition)), "a"),
                Err(Undecodable::Malformed),
                "{disposition}"
            );
        }
        let unnamed = "--x\nContent-Disposition: form-data\n\n1\n--x--\n".to_owned();
        for body in [file, twice, unnamed, part("a", "1"), "--x".into(), "a=1".into(), String::new()] {
            assert_eq!(field(multipart(&body), "a"), Err(Undecodable::Malformed), "{body}");
        }
        let missing = decode_multipart(&Bytes::from_static(b"--x--"), None).now_or_never().unwrap();
        assert_eq!(field(missing, "a"), Err(Undecodable::Malformed));
    }
}
