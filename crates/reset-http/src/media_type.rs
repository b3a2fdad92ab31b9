//! The media types of request bodies, and which of them an endpoint reads.

use http::HeaderValue;

/// How a request body is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// JSON in UTF-8.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart {
        /// The separator of the parts; `None` if the type names none.
        boundary: Option<String>,
    },
}

impl MediaType {
    /// Returns the media type that `content_type` declares; `None` if polyreset reads no such bodies.
    pub fn of(content_type: Option<&HeaderValue>) -> Option<Self> {
        if declares_json(content_type) {
            return Some(Self::Json);
        }
        let text = content_type?.to_str().ok()?;
        let (media, _) = text.split_once(';').unwrap_or((text, ""));
        match media.trim().to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Some(Self::Form),
            "multipart/form-data" => Some(Self::Multipart { boundary: multer::parse_boundary(text).ok() }),
            _ => None,
        }
    }
}

/// The media types that an endpoint reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaTypes {
    /// JSON. A browser sends it to another site only after a preflight request (R36).
    Json,
    /// JSON and URL-encoded forms.
    JsonOrForm,
    /// JSON and the two kinds of forms. An empty body needs no type.
    JsonOrForms,
    /// Any: the endpoint checks the type itself, or reads no body.
    Unchecked,
}

impl MediaTypes {
    /// Returns whether `body`, declared as `content_type`, may be read.
    pub(crate) fn allow(self, content_type: Option<&HeaderValue>, body: &[u8]) -> bool {
        match self {
            Self::Json => declares_json(content_type),
            Self::JsonOrForm => {
                matches!(MediaType::of(content_type), Some(MediaType::Json | MediaType::Form))
            }
            Self::JsonOrForms => body.is_empty() || MediaType::of(content_type).is_some(),
            Self::Unchecked => true,
        }
    }
}

/// Returns whether `content_type` declares JSON in UTF-8: `application/json` or an `application/` type that ends in
/// `+json`. Types that a browser sends across origins without a preflight, such as `text/plain` or no type at all,
/// do not qualify (R36).
fn declares_json(content_type: Option<&HeaderValue>) -> bool {
    let Some(text) = content_type.and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media = parts.next().unwrap_or_default();
    let json = media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"));
    let charset = |part: String| part.strip_prefix("charset=").map(|set| set.trim_matches('"').to_owned());
    json && parts.filter_map(charset).all(|set| set == "utf-8" || set == "utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<MediaType> {
        MediaType::of(Some(&HeaderValue::from_str(text).unwrap()))
    }

    #[test]
    fn only_json_content_types_in_utf_8_declare_json() {
        let declares = |text: &str| declares_json(Some(&HeaderValue::from_str(text).unwrap()));
        for text in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/vnd.api+json",
        ] {
            assert!(declares(text), "{text}");
        }
        for text in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
            "application/json; charset=utf-16",
            "application/jsonp",
            "text/json",
            "",
        ] {
            assert!(!declares(text), "{text}");
        }
        assert!(!declares_json(None));
    }

    #[test]
    fn forms_are_recognized_by_their_type_and_parts_by_their_boundary() {
        for text in ["application/x-www-form-urlencoded", "APPLICATION/x-www-form-urlencoded; charset=utf-8"]
        {
            assert_eq!(of(text), Some(MediaType::Form), "{text}");
        }
        for (text, boundary) in [
            ("multipart/form-data; boundary=frontier", Some("frontier")),
            ("Multipart/Form-Data; charset=utf-8; boundary=\"a b\"", Some("a b")),
            ("multipart/form-data", None),
        ] {
            let boundary = boundary.map(ToOwned::to_owned);
            assert_eq!(of(text), Some(MediaType::Multipart { boundary }), "{text}");
        }
        for text in ["text/plain", "multipart/mixed; boundary=x", "application/x-www-form-urlencoded-2", ""] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn only_endpoints_that_read_forms_take_an_empty_body_without_a_type() {
        for (media, empty, form) in [
            (MediaTypes::Json, false, false),
            (MediaTypes::JsonOrForms, true, true),
            (MediaTypes::Unchecked, true, true),
        ] {
            let declared = HeaderValue::from_static("application/x-www-form-urlencoded");
            assert_eq!((media.allow(None, b""), media.allow(Some(&declared), b"a=1")), (empty, form));
        }
        assert!(!MediaTypes::JsonOrForms.allow(None, b"{}"));
    }
}
