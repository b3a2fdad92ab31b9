//! Mails in every language.

use super::*;

const CODE: &str = "482913";
const URL: &str = "https://app.example.org/reset?id=1&token=canary";

/// Returns every kind of body with its secret.
fn bodies() -> [(MailBody, Option<&'static str>); 4] {
    [
        (code(CODE), Some(CODE)),
        (link(URL), Some(URL)),
        (MailBody::PasswordChanged { dispute: None }, None),
        (MailBody::PasswordChanged { dispute: Some(URL.to_owned().into()) }, Some(URL)),
    ]
}

/// Calls `check` with every mail in every language, with and without a name.
fn for_each_mail(mut check: impl FnMut(Language, &ComposedMail, Option<&str>)) {
    for language in Language::ALL {
        for name in [None, Some("Zoë & O'Neill")] {
            for (body, secret) in bodies() {
                let locale = Some(language.tag().to_owned());
                let mail = Mail { locale, name: name.map(ToOwned::to_owned), ..mail(body) };
                check(language, &compose(&mail), secret);
            }
        }
    }
}

fn written(locale: &str, body: MailBody) -> ComposedMail {
    let (locale, name) = (Some(locale.to_owned()), Some("Ada".to_owned()));
    compose(&Mail { locale, name, ..mail(body) })
}

/// Returns the text of an HTML body.
fn html_text(html: &str) -> String {
    let (mut text, mut in_tag) = (String::new(), false);
    for character in html.split_once("</head>").unwrap().1.chars() {
        match character {
            '<' => in_tag = true,
            '>' => in_tag = false,
            _ if !in_tag => text.push(character),
            _ => {}
        }
    }
    [("&amp;", "&"), ("&#x27;", "'"), ("&#x2f;", "/")]
        .iter()
        .fold(text, |text, (entity, character)| text.replace(entity, character))
}

fn without_spaces(text: &str) -> String {
    text.split([' ', '\r', '\n']).collect()
}

#[test]
fn german_mail() {
    assert_snapshot!(written("de-CH", code(CODE)).text, @r"
    Guten Tag Ada,

    mit diesem Code legen Sie ein neues Passwort fest:

    482913

    Der Code gilt einmal, 15 Minuten lang. Geben Sie ihn an niemanden
    weiter: Wir fragen nie danach.

    Wenn Sie das nicht angefordert haben, brauchen Sie nichts zu tun. Es
    ändert sich nichts.

    Polyreset
    ");
}

#[test]
fn spanish_mail() {
    assert_snapshot!(written("es", link(URL)).text, @r"
    Hola, Ada:

    Abra este enlace para crear una contraseña nueva:

    https://app.example.org/reset?id=1&token=canary

    El enlace sirve una sola vez y es válido durante 15 minutos. Por favor,
    no lo comparta con nadie.

    Si no lo ha pedido usted, puede ignorar este mensaje. No cambiará nada.

    Polyreset
    ");
}

#[test]
fn french_mail() {
    let dispute = Some(URL.to_owned().into());
    assert_snapshot!(written("fr", MailBody::PasswordChanged { dispute }).text, @r"
    Bonjour Ada,

    Le mot de passe de votre compte a été modifié.

    Si c’était vous, tout va bien.

    Si ce n’était pas vous, ouvrez ce lien :

    https://app.example.org/reset?id=1&token=canary

    Ce lien mène à une page avec un bouton. Ce bouton annule le nouveau mot
    de passe et empêche toute autre personne de réinitialiser votre mot de
    passe pendant trois jours.

    Demandez ensuite un nouveau mot de passe et vérifiez qui d’autre peut
    lire cette messagerie.

    Polyreset
    ");
}

#[test]
fn japanese_mail() {
    assert_snapshot!(written("ja-JP", code(CODE)).text, @r"
    Ada 様

    新しいパスワードを設定するためのコードをお送りします。

    482913

    コードの有効期間は15分で、一度だけお使いいただけます。
    ほかの人には教えないでください。
    私どもからコードをお尋ねすることはありません。

    お心当たりがない場合は、このメールを無視してください。
    何も変更されません。

    Polyreset
    ");
}

#[test]
fn chinese_mail_is_in_simplified_characters_for_every_chinese_tag() {
    let composed = written("zh-Hant-TW", code(CODE));
    assert_eq!(composed.text, written("zh", code(CODE)).text);
    assert!(parts(&composed).1.contains("<html lang=\"zh-Hans\" dir=\"ltr\">"));
    assert_snapshot!(composed.text, @r"
    Ada，您好：

    这是您用来设置新密码的验证码：

    482913

    验证码的有效期为 15 分钟，只能使用一次。
    请不要告诉任何人，我们绝不会向您索要。

    如果这不是您本人的请求，忽略此邮件即可，您的账号不会有任何变化。

    Polyreset
    ");
}

#[test]
fn unsupported_locale_gets_the_default_language() {
    let from = "Polyreset <no-reply@localhost>".parse().unwrap();
    let french = Composer::new(from, "localhost".to_owned(), Templates::built_in("fr"));
    for locale in [None, Some("it"), Some(""), Some("{{7*7}}")] {
        let mail = Mail { locale: locale.map(ToOwned::to_owned), ..mail(code(CODE)) };
        let composed = french.compose(&mail).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(composed.subject, "Votre code pour choisir un nouveau mot de passe", "{locale:?}");
    }
}

#[test]
fn subjects_are_translated_and_contain_no_secret() {
    let mut subjects = Vec::new();
    for_each_mail(|language, composed, secret| {
        assert!(secret.is_none_or(|secret| !composed.subject.contains(secret)));
        assert!(!composed.subject.contains("canary") && !composed.subject.contains('\n'));
        subjects.push((language, composed.subject.clone()));
        let message = MessageParser::default().parse(&composed.bytes).unwrap();
        assert_eq!(message.subject(), Some(composed.subject.as_str()), "{language:?}");
    });
    for (language, subject) in &subjects {
        assert!(subjects.iter().all(|(other, same)| other == language || same != subject), "{subject}");
    }
}

#[test]
fn secret_is_alone_on_its_line_in_every_language() {
    for_each_mail(|language, composed, secret| {
        let (text, _) = parts(composed);
        let secrets = text.lines().filter(|line| {
            secret.is_some_and(|secret| line.contains(secret)) || line.contains("://") || *line == CODE
        });
        assert_eq!(secrets.collect::<Vec<_>>(), secret.into_iter().collect::<Vec<_>>(), "{language:?}");
    });
}

#[test]
fn both_parts_have_the_same_text_in_every_language() {
    for_each_mail(|language, composed, _| {
        let (_, html) = parts(composed);
        let page = without_spaces(&html_text(&html));
        let mut rest = page.as_str();
        for paragraph in composed.text.split("\n\n") {
            let paragraph = without_spaces(paragraph);
            let at = rest.find(&paragraph);
            let at = at.unwrap_or_else(|| panic!("{language:?}: {paragraph:?} is not in {rest:?}"));
            rest = &rest[at + paragraph.len()..];
        }
        assert_eq!(rest.trim(), "");
    });
}

#[test]
fn html_declares_its_language_and_escapes_variables() {
    for_each_mail(|language, composed, _| {
        let (_, html) = parts(composed);
        assert!(html.starts_with("<!doctype html>"), "{html}");
        let attributes = format!("lang=\"{}\" dir=\"ltr\"", language.tag());
        // Webmail strips `html` and `body`, so an inner element repeats the attributes.
        assert_eq!(html.matches(&attributes).count(), 2, "{html}");
        assert!(!html.contains("O'Neill") && !html.contains("Zoë & "), "{html}");
        assert!(!html.contains("id=1&token"), "{html}");
    });
}

#[test]
fn message_has_short_lines_and_is_marked_as_auto_generated_in_every_language() {
    for_each_mail(|language, composed, _| {
        let message = String::from_utf8(composed.bytes.clone()).unwrap();
        assert!(message.is_ascii());
        for line in message.split("\r\n") {
            assert!(line.len() <= 78, "{language:?}: {line}");
        }
        assert_eq!(message.matches("\r\nAuto-Submitted: auto-generated\r\n").count(), 1);
        let (text, _) = parts(composed);
        assert!(text.lines().all(|line| line.len() <= 998), "{language:?}");
    });
}

/// WCAG 2.2, 1.4.3: at least 4.5 to 1.
#[test]
fn text_contrast_suffices_in_light_and_dark_mode() {
    let (_, html) = parts(&compose(&mail(link(URL))));
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let (light, dark) = style.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let colour = |style: &str, rule: &str, property: &str| {
        let rule = style.split_once(rule).unwrap().1.split_once('}').unwrap().0;
        let hex = &rule.split_once(&format!("{property}: #")).unwrap().1[..6];
        let part = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        let linear = |part: f64| {
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(part(0)) + 0.7152 * linear(part(2)) + 0.0722 * linear(part(4))
    };
    for style in [light, dark] {
        let background = colour(style, "body {", "background");
        for text in [colour(style, "body {", " color"), colour(style, "a {", " color")] {
            let (bright, dim) = (background.max(text), background.min(text));
            assert!((bright + 0.05) / (dim + 0.05) >= 4.5, "{style}");
        }
    }
    assert!(html.contains("<meta name=\"color-scheme\" content=\"light dark\">"));
}
