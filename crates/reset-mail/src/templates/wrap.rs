//! Wraps the paragraphs of a text part.

/// Widest line in columns; longer only without a break opportunity.
const WIDTH: usize = 72;

/// Breaks a paragraph at spaces, and after the full stop of Chinese and Japanese, which use no spaces.
pub(super) fn wrap(paragraph: &str) -> String {
    let mut wrapped = String::with_capacity(paragraph.len());
    let mut used = 0;
    for word in paragraph.split(' ') {
        for (number, piece) in word.split_inclusive('。').enumerate() {
            // There is no space between two parts of one word.
            let gap = usize::from(number == 0 && used > 0);
            let width = piece.chars().map(columns).sum::<usize>();
            if used > 0 && used + gap + width > WIDTH {
                wrapped.push('\n');
                used = 0;
            } else if gap > 0 {
                wrapped.push(' ');
                used += 1;
            }
            wrapped.push_str(piece);
            used += width;
        }
    }
    wrapped
}

/// Returns the width of a character in columns: 2 for East Asian wide characters, otherwise 1.
fn columns(character: char) -> usize {
    let wide = matches!(character, '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}' | '\u{FE30}'..='\u{FE4F}' | '\u{FF00}'..='\u{FF60}' | '\u{FFE0}'..='\u{FFE6}');
    if wide { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraph_is_broken_at_spaces_without_loss() {
        let paragraph = "word ".repeat(40);
        let paragraph = paragraph.trim_end();
        let wrapped = wrap(paragraph);
        assert!(wrapped.lines().all(|line| line.len() <= WIDTH && !line.ends_with(' ')), "{wrapped}");
        assert_eq!(wrapped.lines().count(), 3);
        assert_eq!(wrapped.replace('\n', " "), paragraph);
    }

    #[test]
    fn word_without_a_break_opportunity_stays_whole() {
        let long = "x".repeat(200);
        assert_eq!(wrap(&long), long);
        assert_eq!(wrap(&format!("a {long} b")), format!("a\n{long}\nb"));
        assert_eq!(wrap(""), "");
    }

    #[test]
    fn wide_text_is_broken_after_its_full_stops() {
        let sentence = format!("{}。", "字".repeat(20));
        assert_eq!(wrap(&sentence.repeat(3)), [sentence.as_str(); 3].join("\n"));
        assert_eq!(wrap("短。短。"), "短。短。");
    }
}
