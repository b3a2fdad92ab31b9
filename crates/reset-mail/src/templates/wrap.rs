//! Paragraphs of a text part, broken into lines.

/// Widest line in columns, where there is a place to break it at.
const WIDTH: usize = 72;

/// Breaks a paragraph at its spaces, and after the full stop of Chinese and Japanese, which have none.
pub(super) fn wrap(paragraph: &str) -> String {
    let mut wrapped = String::with_capacity(paragraph.len());
    let mut used = 0;
    for word in paragraph.split(' ') {
        for (number, piece) in word.split_inclusive('。').enumerate() {
            // Between two pieces of one word there is nothing.
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

/// Columns that a character takes where all are as wide as a letter, or as two: those of East Asia.
fn columns(sign: char) -> usize {
    let wide = matches!(sign, '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}' | '\u{FE30}'..='\u{FE4F}' | '\u{FF00}'..='\u{FF60}' | '\u{FFE0}'..='\u{FFE6}');
    if wide { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_spaces_and_nothing_is_lost() {
        let paragraph = "word ".repeat(40);
        let paragraph = paragraph.trim_end();
        let wrapped = wrap(paragraph);
        assert!(wrapped.lines().all(|line| line.len() <= WIDTH && !line.ends_with(' ')), "{wrapped}");
        assert_eq!(wrapped.lines().count(), 3);
        assert_eq!(wrapped.replace('\n', " "), paragraph);
    }

    #[test]
    fn what_has_no_place_to_break_at_stays_whole() {
        let long = "x".repeat(200);
        assert_eq!(wrap(&long), long);
        assert_eq!(wrap(&format!("a {long} b")), format!("a\n{long}\nb"));
        assert_eq!(wrap(""), "");
    }

    #[test]
    fn sentences_of_wide_characters_are_broken_after_their_full_stop() {
        let sentence = format!("{}。", "字".repeat(20));
        assert_eq!(wrap(&sentence.repeat(3)), [sentence.as_str(); 3].join("\n"));
        assert_eq!(wrap("短。短。"), "短。短。");
    }
}
