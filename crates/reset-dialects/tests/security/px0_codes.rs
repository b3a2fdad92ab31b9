//! The codes that px0 accepts: six digits in a string, or a long code, both as people type them (R2).

use crate::bench::{ANN, NEW_PASSWORD, OLD_PASSWORD, Profile, with_accounts};

#[tokio::test]
async fn code_must_be_a_string_of_six_digits() {
    let bench = with_accounts(Profile::Compatible).await;
    let px0 = bench.dialect("px0");
    let mut code = bench.mailed(px0, ANN).await;
    while !code.starts_with('0') {
        code = bench.mailed(px0, ANN).await;
    }
    let arabic: String = code.chars().map(|digit| char::from_u32(digit as u32 + 0x630).unwrap()).collect();
    let number = code.trim_start_matches('0');
    let before = bench.memory.store.look_ups();
    for value in [
        format!(r#""{number}""#),
        format!(r#""+{number}""#),
        format!(r#""-{number}""#),
        format!(r#""{code}\u0000""#),
        format!(r#""\u0000{code}""#),
        format!(r#""{}\u0000{}""#, &code[..3], &code[3..]),
        format!(r#""{}_{}""#, &code[..3], &code[3..]),
        format!(r#""0{code}""#),
        format!(r#""{code}.0""#),
        format!(r#""{code}e0""#),
        format!(r#""{arabic}""#),
        number.to_owned(),
        format!("{number}.0"),
        format!(r#"["{code}"]"#),
        format!(r#"{{"code":"{code}"}}"#),
        "null".to_owned(),
    ] {
        for step in px0.redeem_raw(&code, |_| value.clone()) {
            assert_eq!(bench.step(&step).await.status(), 400, "{value}");
        }
    }
    assert_eq!(bench.memory.store.look_ups(), before, "malformed codes cause no lookup");
    assert!(bench.logs_in(ANN, OLD_PASSWORD).await);
    assert_eq!(bench.reset(px0, &code, NEW_PASSWORD).await.status(), 200);
}

#[tokio::test]
async fn six_digits_are_accepted_as_people_type_and_paste_them() {
    let typed: [fn(&str) -> String; 6] = [
        |code| format!(" {code}\n"),
        |code| format!("{} {}", &code[..3], &code[3..]),
        |code| format!("{}-{}", &code[..3], &code[3..]),
        |code| format!("\u{a0}{}\u{2011}{}", &code[..2], &code[2..]),
        |code| code.replace('0', "O").replace('1', "l"),
        |code| code.chars().map(|digit| char::from_u32(digit as u32 + 0xfee0).unwrap()).collect(),
    ];
    for typed in typed {
        let bench = with_accounts(Profile::Compatible).await;
        let px0 = bench.dialect("px0");
        let code = bench.mailed(px0, ANN).await;
        assert_eq!(bench.reset(px0, &typed(&code), NEW_PASSWORD).await.status(), 200, "{:?}", typed(&code));
    }
}

#[tokio::test]
async fn long_code_tolerates_case_spaces_hyphens_and_similar_letters_only() {
    let bench = with_accounts(Profile::Hardened).await;
    let px0 = bench.dialect("px0");
    let code = bench.mailed(px0, ANN).await;
    assert_eq!(code.len(), 16, "{code}");
    for other in [
        code.replace('-', "_"),
        format!("{code}\u{0}"),
        code.replacen('-', "", 3) + "0",
        code[..14].to_owned(),
    ] {
        assert_eq!(bench.reset(px0, &other, NEW_PASSWORD).await.status(), 400, "{other:?}");
    }
    let retyped = format!(" {} ", code.to_lowercase().replacen('-', " ", 1).replace('-', ""))
        .replace('0', "o")
        .replace('1', "l");
    assert_eq!(bench.reset(px0, &retyped, NEW_PASSWORD).await.status(), 200, "{code} as {retyped}");
}
