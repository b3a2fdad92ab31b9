//! Text encodings of bytes: hexadecimal, URL-safe Base64 and Crockford base 32.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// The alphabet of Crockford's base 32, without I, L, O and U.
pub(crate) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Encodes `bytes` in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Decodes hexadecimal of either case; `None` if `text` is not hexadecimal.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

/// URL-safe Base64, written without padding and read with or without it.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Encodes `bytes` in URL-safe Base64 without padding.
pub fn base64_url(bytes: &[u8]) -> String {
    BASE64_URL.encode(bytes)
}

/// Decodes URL-safe Base64 with or without padding; `None` if `text` is not the encoding of any bytes.
pub fn unbase64_url(text: &str) -> Option<Vec<u8>> {
    BASE64_URL.decode(text).ok()
}

/// Encodes `N` random bytes as `N` Crockford characters, for identifiers that people read aloud. Five bits of each
/// byte are used.
pub fn crockford<const N: usize>(bytes: [u8; N]) -> String {
    bytes.iter().map(|byte| char::from(CROCKFORD[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_survives_the_round_trip() {
        assert_eq!(hex(&[0, 0x7f, 0xff]), "007fff");
        assert_eq!(unhex("007FfF"), Some(vec![0, 0x7f, 0xff]));
        assert_eq!((unhex("0"), unhex("0g")), (None, None));
    }

    #[test]
    fn base64_is_read_with_and_without_padding_in_its_canonical_form_only() {
        assert_eq!((base64_url(b"1").as_str(), base64_url(&[0xfb, 0xff]).as_str()), ("MQ", "-_8"));
        for text in ["MQ", "MQ=="] {
            assert_eq!(unbase64_url(text).as_deref(), Some(&b"1"[..]), "{text}");
        }
        for text in ["M", "MR", "MQ!", " MQ", "+/8", "ä"] {
            assert_eq!(unbase64_url(text), None, "{text}");
        }
    }
}
