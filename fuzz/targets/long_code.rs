//! An accepted long code has one canonical form. A canonical form with one wrong character or two swapped neighbours is
//! rejected.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reset_core::secret::LongCode;

const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The check character of twelve values, by multiplication in GF(32) as tables define it.
fn check(values: &[u8]) -> u8 {
    let multiply = |mut a: u8, mut b: u8| {
        let mut product = 0;
        while b > 0 {
            if b & 1 == 1 {
                product ^= a;
            }
            a = if a & 16 == 0 { a << 1 } else { (a << 1) ^ 0b10_0101 };
            b >>= 1;
        }
        product
    };
    let power = |exponent: usize| (0..exponent).fold(1, |power, _| multiply(power, 2));
    let weighted =
        values.iter().enumerate().map(|(place, value)| multiply(*value, power(values.len() - place)));
    weighted.fold(0, |sum, term| sum ^ term)
}

fn value_of(symbol: u8) -> Option<u8> {
    let folded = match symbol.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    SYMBOLS.iter().position(|known| *known == folded).and_then(|place| u8::try_from(place).ok())
}

fuzz_target!(|input: ([u8; 12], u8, u8, &str)| {
    let (random, place, symbol, typed) = input;
    let values: Option<Vec<u8>> = typed.bytes().filter(|byte| *byte != b'-').map(value_of).collect();
    let expected = values
        .is_some_and(|values| typed.len() <= 26 && values.len() == 13 && check(&values[..12]) == values[12]);
    assert_eq!(LongCode::parse(typed).is_some(), expected, "{typed:?}");

    let body: Vec<u8> = random.iter().map(|byte| byte % 32).collect();
    let mut code: Vec<u8> =
        body.iter().chain([&check(&body)]).map(|value| SYMBOLS[usize::from(*value)]).collect();
    let parsed = LongCode::parse(std::str::from_utf8(&code).unwrap()).expect("the check character is right");
    let canonical = parsed.reveal().to_owned();
    assert_eq!((canonical.len(), canonical.as_bytes()[4], canonical.as_bytes()[9]), (16, b'-', b'-'));
    assert_eq!(canonical.bytes().filter(|byte| *byte != b'-').collect::<Vec<_>>(), code);
    let again = LongCode::parse(&canonical.to_ascii_lowercase()).expect("the canonical form is a code");
    assert_eq!(again.reveal(), canonical);

    let place = usize::from(place) % 13;
    let right = code[place];
    code[place] = SYMBOLS[usize::from(symbol) % 32];
    let parses = |code: &[u8]| LongCode::parse(std::str::from_utf8(code).unwrap()).is_some();
    assert_eq!(parses(&code), code[place] == right, "one wrong character");
    code[place] = right;
    if place < 12 && code[place] != code[place + 1] {
        code.swap(place, place + 1);
        assert!(!parses(&code), "two swapped characters");
    }
});
