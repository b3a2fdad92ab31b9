//! The language that a client prefers, from `Accept-Language` (RFC 9110, 12.5.4).

use http::{HeaderMap, header};

/// Maximum length of a stored tag. RFC 5646 (4.4.1) requires room for 35 characters.
const TAG_MAX: usize = 35;

/// Returns the preferred tag as the client wrote it, or `None` if the client prefers no language or no tag is valid.
pub fn preferred(headers: &HeaderMap) -> Option<String> {
    best_match(headers, |tag| Some(tag.to_owned()))
}

/// Returns the result of `choose` for the tag with the highest weight among those for which it returns `Some`. Of tags
/// with equal weight, the first counts.
pub fn best_match<T>(headers: &HeaderMap, choose: impl Fn(&str) -> Option<T>) -> Option<T> {
    let values = headers.get_all(header::ACCEPT_LANGUAGE).into_iter().filter_map(|value| value.to_str().ok());
    let mut best: Option<(T, f32)> = None;
    for choice in values.flat_map(|value| value.split(',')) {
        let (tag, parameters) = choice.split_once(';').unwrap_or((choice, ""));
        let (tag, weight) = (tag.trim(), weight(parameters));
        let heavier = is_tag(tag) && weight > best.as_ref().map_or(0.0, |(_, weight)| *weight);
        if let Some(chosen) = heavier.then(|| choose(tag)).flatten() {
            best = Some((chosen, weight));
        }
    }
    best.map(|(chosen, _)| chosen)
}

/// Parses the weight of a tag: 1 if there is none, 0 if it is malformed.
fn weight(parameters: &str) -> f32 {
    match parameters.trim().strip_prefix("q=") {
        Some(weight) => weight.parse().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0),
        None if parameters.trim().is_empty() => 1.0,
        None => 0.0,
    }
}

fn is_tag(text: &str) -> bool {
    let subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= TAG_MAX
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.split('-').all(subtag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT_LANGUAGE, value.parse().unwrap());
        }
        preferred(&headers)
    }

    #[test]
    fn tag_with_the_highest_weight_is_preferred_and_the_first_of_equals() {
        for (values, tag) in [
            (&["de-CH"][..], Some("de-CH")),
            (&["de, en"], Some("de")),
            (&["en;q=0.5, fr;q=0.9 , ja ;q=0.7"], Some("fr")),
            (&["en;q=0.5", "zh-Hant-TW"], Some("zh-Hant-TW")),
            (&["*"], None),
            (&["*, es;q=0.1"], Some("es")),
            (&["de;q=0"], None),
            (&[], None),
        ] {
            assert_eq!(of(values).as_deref(), tag, "{values:?}");
        }
    }

    #[test]
    fn malformed_tags_are_skipped() {
        for value in [
            "",
            ",,",
            "../../x",
            "d_e",
            "de;q=2",
            "de;q=x",
            "de;v=1",
            "-de",
            "1de",
            &"a-".repeat(40),
            "{{7*7}}",
        ] {
            assert_eq!(of(&[value]), None, "{value}");
        }
    }
}
