//! Searches the cells of a database for a mailed code of six digits (R3).
//!
//! A thief of the database can try all codes, so a code must be neither stored in any notation nor as a digest without a
//! key.

use reset_core::encoding::hex;
use sha2::{Digest, Sha256};

use super::encoding;

/// Returns the forms in which `cells` contains the code: as a value or a word of one, as a number, in another notation, or
/// as a digest. `cells` is the text of every cell, numbers in decimal and bytes in hexadecimal.
pub fn forms_of_code(code: &str, cells: &str) -> Vec<&'static str> {
    let cells = cells.to_ascii_lowercase();
    let number = code.trim_start_matches('0');
    let mut words = cells.split(|c: char| !c.is_ascii_alphanumeric());
    // Small numbers, such as counters, occur by chance; so do six digits within a longer number.
    let mut forms: Vec<&'static str> = words
        .any(|word| word == code || (number.len() > 3 && word == number))
        .then_some("plain")
        .into_iter()
        .collect();
    let notations = encoding::all(code).into_iter().filter(|(_, written)| written != code);
    let digest = hex(&Sha256::digest(code));
    let others = notations.chain([("as a digest", digest)]);
    forms.extend(others.filter(|(_, written)| cells.contains(written.as_str())).map(|(name, _)| name));
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_code_is_found_in_every_form() {
        for (cell, form) in [
            ("'012345'", "plain"),
            ("'code 012345'", "plain"),
            ("12345", "plain"),
            ("X'303132333435'", "in hexadecimal"),
            ("X'78303132333435'", "in hexadecimal"),
            ("'48, 49, 50, 51, 52, 53'", "as bytes"),
            ("'MDEyMzQ1'", "in base64"),
            ("'eDowMTIzNDU='", "in base64"),
            ("X'6460662f4c4aa2cb2b80f1f2cd0a9ae8f3c2a0c5'", ""),
        ] {
            let cells = format!("1 'px0' {cell} 1768574400000 NULL\n");
            let forms = forms_of_code("012345", &cells);
            assert_eq!(
                forms,
                [form].into_iter().filter(|form| !form.is_empty()).collect::<Vec<_>>(),
                "{cell}"
            );
        }
        let digest = hex(&Sha256::digest("012345")).to_uppercase();
        assert_eq!(forms_of_code("012345", &format!("X'{digest}'")), ["as a digest"]);
    }

    #[test]
    fn similar_cells_are_not_found() {
        let cells = "3 '0123456' 'a012345' 1012345 X'A0123450' '00012' 1768574012345";
        for code in ["012345", "000003", "000012"] {
            assert_eq!(forms_of_code(code, cells), [""; 0], "{code}");
        }
    }
}
