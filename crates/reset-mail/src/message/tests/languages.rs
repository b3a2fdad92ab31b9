//! Mails in every language.

use reset_core::language::direction;

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
    [("&amp;", "&"), ("&#x27;", "'"), ("&#x2f;", "/"), ("&nbsp;", "\u{a0}")]
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

    wir haben eine Anfrage erhalten, das Passwort für Ada@Example.org bei
    Polyreset zurückzusetzen.

    Geben Sie diesen Code ein, um ein neues Passwort zu wählen:

    482913

    Der Code ist 15 Minuten gültig und funktioniert nur einmal. Geben Sie
    ihn nicht weiter. Wir fragen nie danach.

    Angefordert: 30. November 2026, 14:02 UTC
    Referenz: K7Q2M4ZD8R

    Sie haben das nicht angefordert? Dann können Sie diese E-Mail
    ignorieren. Ihr Passwort bleibt unverändert.

    Polyreset

    @reset.example.org #482913
    ");
}

#[test]
fn spanish_mail() {
    assert_snapshot!(written("es", link(URL)).text, @r"
    Hola, Ada:

    Hemos recibido una solicitud para restablecer la contraseña de
    Ada@Example.org en Polyreset.

    Abra este enlace para elegir una contraseña nueva:

    https://app.example.org/reset?id=1&token=canary

    Este enlace caduca en 15 minutos y solo se puede usar una vez. No lo
    comparta.

    Solicitud: 30 de noviembre de 2026, 14:02 UTC
    Referencia: K7Q2M4ZD8R

    ¿No lo ha solicitado usted? Puede ignorar este correo. Su contraseña
    seguirá siendo la misma.

    Polyreset
    ");
}

#[test]
fn french_mail() {
    let dispute = Some(URL.to_owned().into());
    assert_snapshot!(written("fr", MailBody::PasswordChanged { dispute }).text, @r"
    Bonjour Ada,

    Le mot de passe Polyreset du compte Ada@Example.org a été modifié.

    Si c’était vous, vous n’avez rien à faire.

    Modification: 30 novembre 2026 à 14:02 UTC
    Référence: K7Q2M4ZD8R

    Ce n’était pas vous ? Vous pouvez annuler le nouveau mot de passe :

    https://app.example.org/reset?id=1&token=canary

    Ce lien est valable trois jours. Il ouvre une page où vous pouvez
    annuler le nouveau mot de passe. Pendant les trois jours suivants, il ne
    pourra être réinitialisé qu’avec cette messagerie.

    Choisissez ensuite un nouveau mot de passe et vérifiez qui d’autre peut
    lire cette messagerie.

    Polyreset
    ");
}

#[test]
fn japanese_mail() {
    assert_snapshot!(written("ja-JP", code(CODE)).text, @r"
    Ada 様

    Ada@Example.org の Polyreset
    パスワードを再設定するリクエストを受け付けました。

    次のコードを入力して、新しいパスワードを設定してください。

    482913

    このコードの有効期間は15分で、使用できるのは1回だけです。
    ほかの人に教えないでください。
    当社からコードをお尋ねすることはありません。

    受付日時: 2026年11月30日 14:02（UTC）
    照会番号: K7Q2M4ZD8R

    お心当たりがない場合は、このメールを無視してください。
    パスワードは変更されません。

    Polyreset

    @reset.example.org #482913
    ");
}

#[test]
fn chinese_mail_is_in_simplified_characters_for_every_chinese_tag() {
    let composed = written("zh-Hant-TW", code(CODE));
    assert_eq!(composed.text, written("zh", code(CODE)).text);
    assert!(parts(&composed).1.contains("<html lang=\"zh-Hans\" dir=\"ltr\">"));
    assert_snapshot!(composed.text, @r"
    Ada，您好：

    我们收到了为 Ada@Example.org 重置 Polyreset 密码的请求。

    请输入以下验证码，设置新密码：

    482913

    此验证码的有效期为 15 分钟，只能使用一次。
    请勿告诉他人，我们绝不会向您索要。

    请求时间: 2026年11月30日 14:02（UTC）
    参考编号: K7Q2M4ZD8R

    不是您本人请求的？忽略此邮件即可，您的密码不会改变。

    Polyreset

    @reset.example.org #482913
    ");
}

#[test]
fn arabic_mail_is_written_from_right_to_left() {
    let composed = written("ar-EG", link(URL));
    assert!(parts(&composed).1.contains("<html lang=\"ar\" dir=\"rtl\">"));
    assert_eq!(composed.subject, "إعادة تعيين كلمة مرور Polyreset");
    assert_snapshot!(composed.text, @r"
    مرحبًا Ada،

    تلقّينا طلبًا لإعادة تعيين كلمة مرور Polyreset للحساب Ada@Example.org.

    افتح هذا الرابط لاختيار كلمة مرور جديدة:

    https://app.example.org/reset?id=1&token=canary

    تنتهي صلاحية هذا الرابط خلال 15 دقيقة، ويمكن استخدامه مرة واحدة فقط. لا
    تشاركه مع أحد.

    وقت الطلب: 30 نوفمبر 2026، 14:02 UTC
    الرقم المرجعي: K7Q2M4ZD8R

    لم تطلب ذلك؟ يمكنك تجاهل هذه الرسالة، وستبقى كلمة مرورك كما هي.

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
        assert_eq!(
            composed.subject, "Votre code de réinitialisation du mot de passe Polyreset",
            "{locale:?}"
        );
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
            let bound = line.strip_prefix("@reset.example.org #");
            (secret.is_some_and(|secret| line.contains(secret)) || line.contains("://")) && bound != secret
        });
        assert_eq!(secrets.collect::<Vec<_>>(), secret.into_iter().collect::<Vec<_>>(), "{language:?}");
    });
}

/// The HTML part has more: the logo or name above, the title, and the link a second time. Everything of the text part is in
/// it, in the same order, except for the line that binds a code to a domain, and the sentence in place of the button.
#[test]
fn both_parts_say_the_same_in_every_language() {
    let catalogue = reset_words::Catalogue::default();
    for_each_mail(|language, composed, secret| {
        let (_, html) = parts(composed);
        let page = without_spaces(&html_text(&html));
        let mut rest = page.as_str();
        let instead = without_spaces(&catalogue.of(language).mail.reset_link["action"]).replace("：", ":");
        for line in composed.text.split("\n\n").flat_map(|paragraph| match paragraph {
            // The details are one line each, in columns in the HTML part.
            details if details.contains("K7Q2M4ZD8R") => details.lines().collect(),
            other => vec![other],
        }) {
            let line = without_spaces(line).replace("：", ":");
            let is_link = secret.is_some_and(|secret| line == secret && secret.contains("://"));
            if line.starts_with("@reset.example.org#") || line == instead || is_link {
                continue;
            }
            let found = |rest: &str, part: &str| rest.find(part).map(|at| at + part.len());
            let end = found(rest, &line).or_else(|| {
                let (label, value) = line.split_once(':')?;
                let after = found(rest, label)?;
                Some(after + found(&rest[after..], value)?)
            });
            let end = end.unwrap_or_else(|| panic!("{language:?}: {line:?} is not in {rest:?}"));
            rest = &rest[end..];
        }
        assert_eq!(rest.trim(), "");
        assert!(secret.is_none_or(|secret| page.contains(secret)), "{language:?}");
    });
}

#[test]
fn html_declares_its_language_and_escapes_variables() {
    for_each_mail(|language, composed, _| {
        let (_, html) = parts(composed);
        assert!(html.starts_with("<!doctype html>"), "{html}");
        let (tag, dir) = (language.tag(), direction(language.tag()));
        let attributes = format!("lang=\"{tag}\" dir=\"{dir}\"");
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
