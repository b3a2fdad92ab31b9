//! Custom templates: which one applies, and which are rejected.

use std::fs;

use tempfile::TempDir;

use super::{samples::sample, *};

const DIALECTS: [&str; 2] = ["px0", "worthai"];

/// Creates a directory with these files.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, source) in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, source).unwrap();
    }
    dir
}

fn templates(files: &[(&str, &str)]) -> Templates {
    Templates::new("en", Some(directory(files).path()), &DIALECTS).unwrap_or_else(|fault| panic!("{fault}"))
}

/// Returns the fault of the first invalid file.
fn fault_of(files: &[(&str, &str)]) -> String {
    match Templates::new("en", Some(directory(files).path()), &DIALECTS) {
        Ok(_) => panic!("{files:?} is accepted"),
        Err(fault) => fault.to_string(),
    }
}

fn written(templates: &Templates, kind: MailKind, dialect: &str, locale: &str) -> Parts {
    templates.render(MailContext { dialect, locale: Some(locale), ..sample(kind) })
}

#[test]
fn most_specific_template_wins_dialect_before_language() {
    let files = [
        "px0/reset-code.de-CH.txt.j2",
        "px0/reset-code.de.txt.j2",
        "px0/reset-code.txt.j2",
        "reset-code.de-CH.txt.j2",
        "reset-code.de.txt.j2",
        "reset-code.txt.j2",
    ];
    let sources = files.map(|file| format!("{file}\n{{{{ code }}}}"));
    for nearest in 0..files.len() {
        let remaining: Vec<_> =
            files.iter().copied().zip(sources.iter().map(String::as_str)).skip(nearest).collect();
        let templates = templates(&remaining);
        let text = written(&templates, MailKind::ResetCode, "px0", "de-CH").text;
        assert_eq!(text.lines().next(), Some(files[nearest]));
    }
    let all: Vec<_> = files.iter().copied().zip(sources.iter().map(String::as_str)).collect();
    let templates = templates(&all);
    for (dialect, locale, file) in [
        ("px0", "DE_ch", files[0]),
        ("px0", "de_CH.UTF-8", files[0]),
        ("px0", "de-AT", files[1]),
        ("px0", "fr", files[2]),
        ("worthai", "de-CH-1996", files[3]),
        ("worthai", "de", files[4]),
        ("worthai", "ja", files[5]),
        ("another", "tlh", files[5]),
    ] {
        let text = written(&templates, MailKind::ResetCode, dialect, locale).text;
        assert_eq!(text.lines().next(), Some(file), "{dialect} {locale}");
    }
    let link = written(&templates, MailKind::ResetLink, "px0", "de").text;
    assert!(link.starts_with("Guten Tag Ada Lovelace,"), "{link}");
}

#[test]
fn one_file_replaces_one_part_and_gets_the_phrases_of_each_language() {
    let source = "{{ phrases.greeting }} {{ phrases.terms }}\n\n{{ code }}\n";
    let templates = templates(&[("reset-code.txt.j2", source)]);
    let german = written(&templates, MailKind::ResetCode, "px0", "de");
    assert_eq!(
        german.text,
        "Guten Tag Ada Lovelace, Der Code ist 15 Minuten gültig und funktioniert nur einmal. Geben Sie ihn nicht \
         weiter. Wir fragen nie danach.\n\n482913"
    );
    assert_eq!(german.subject, "Ihr Code für ein neues Passwort bei Polyreset");
    assert!(german.html.contains("<html lang=\"de\""));
}

#[test]
fn layout_file_frames_every_html_part() {
    let frame = "<html lang={{ lang }}><header>Brand</header>{% block main %}{% endblock %}</html>";
    let templates = templates(&[("layout.html.j2", frame)]);
    for kind in MailKind::ALL {
        let html = written(&templates, kind, "px0", "fr").html;
        assert!(html.starts_with("<html lang=fr><header>Brand</header><p "), "{html}");
    }
}

#[test]
fn custom_language_is_used_where_its_templates_are_complete() {
    let italian = |part: &str, source: &str| (format!("reset-code.it.{part}.j2"), source.to_owned());
    let mut files = vec![
        italian("subject", "Il tuo codice"),
        italian("txt", "Vale {{ lifetime }}:\n\n{{ code }}\n"),
        italian("html", "<html lang=\"{{ lang }}\" dir=\"{{ dir }}\">{{ code }}</html>"),
    ];
    let load = |files: &[(String, String)]| {
        let files: Vec<_> = files.iter().map(|(file, source)| (file.as_str(), source.as_str())).collect();
        Templates::new("en", Some(directory(&files).path()), &DIALECTS)
    };
    let templates = load(&files).unwrap_or_else(|fault| panic!("{fault}"));
    let mail = written(&templates, MailKind::ResetCode, "px0", "it-CH");
    assert_eq!(mail.subject, "Il tuo codice");
    assert_eq!(mail.text, "Vale 15\u{a0}min:\n\n482913");
    assert_eq!(mail.html, "<html lang=\"it\" dir=\"ltr\">482913</html>");
    // The other kinds have no Italian templates, so they are entirely in the default language.
    assert_eq!(
        written(&templates, MailKind::ResetLink, "px0", "it").subject,
        "Reset your Polyreset password"
    );
    assert!(!templates.speaks("it") && templates.speaks("de-AT") && !templates.speaks("nonsense!"));

    files.pop();
    let fault = load(&files).err().unwrap().to_string();
    assert_eq!(
        fault,
        "reset-code.it.subject.j2: reset-code.it.html.j2 is required too: there are no built-in phrases in this \
         language"
    );
}

#[test]
fn html_parts_escape_variables_and_no_part_has_a_bare_cr() {
    let templates = templates(&[
        ("reset-link.html.j2", "<a href=\"{{ url }}\">{{ sender }}</a>\r\n"),
        ("reset-link.txt.j2", "{{ sender }}\r\n\r{{ url }}\r\n"),
    ]);
    let sender = "<b>Müller & Co.</b>";
    let parts = templates.render(MailContext { sender, ..sample(MailKind::ResetLink) });
    assert!(parts.html.contains("&lt;b&gt;Müller &amp; Co.&lt;&#x2f;b&gt;"), "{}", parts.html);
    assert!(parts.html.contains("step=1&amp;token="), "{}", parts.html);
    assert!(!parts.html.contains('\r') && !parts.text.contains('\r'));
}

#[test]
fn all_features_of_the_template_engine_are_available() {
    let templates = templates(&[
        (
            "layout.html.j2",
            "<h1>{{ phrases.subject }}</h1>{% block main %}{% endblock %}{% block foot %}{% endblock %}",
        ),
        (
            "reset-code.html.j2",
            "{% extends \"reset-code.html\" %}{% block main %}{{ super() }}{% for x in range(2) %}{{ loop.index }}\
             {% endfor %}{% endblock %}{% block foot %}{% set who = name | default(\"you\") %}{{ who | upper }}{% endblock %}",
        ),
        ("reset-code.txt.j2", "{% include \"px0/reset-code.txt.j2\" %}\n{{ phrases.terms | wrap }}"),
        ("px0/reset-code.txt.j2", "{{ code }}{# a note #}"),
    ]);
    let mail = written(&templates, MailKind::ResetCode, "worthai", "en");
    assert!(mail.html.starts_with("<h1>Your Polyreset password reset code</h1><p "), "{}", mail.html);
    assert!(mail.html.ends_with("stays the same.</p>12ADA LOVELACE"), "{}", mail.html);
    assert!(mail.text.starts_with("482913\nThis code expires in 15 minutes"), "{}", mail.text);
}

#[test]
fn faults_name_file_and_line() {
    let cases: &[(&str, &str, &str)] = &[
        ("reset-code.txt.j2", "Hello\n{{ code", "reset-code.txt.j2 line 2: syntax error"),
        ("reset-code.txt.j2", "Hi\n\n{{ coed }}", "reset-code.txt.j2 line 3: unknown variable coed"),
        (
            "reset-code.txt.j2",
            "{{ code }}\n{% if nmae %}x{% endif %}",
            "reset-code.txt.j2 line 2: unknown variable nmae",
        ),
        ("reset-code.txt.j2", "{{ code }}\n{{ phrases.button }}", "line 2: unknown variable phrases.button"),
        ("reset-code.txt.j2", "Hello", "reset-code.txt.j2: the code or the link is missing"),
        ("reset-code.txt.j2", "Code: {{ code }}", "must stand alone on its line"),
        ("reset-code.txt.j2", "{{ url }}\n{{ code }}", "reset-code.txt.j2 line 1: undefined value"),
        (
            "reset-code.txt.j2",
            "{% extends \"/etc/passwd\" %}",
            "reset-code.txt.j2 line 1: template not found",
        ),
        ("reset-code.txt.j2", "{{ name }}\n{{ code }}", "line 1: undefined value in a mail without a name"),
        ("reset-link.html.j2", "<p>Hello</p>", "reset-link.html.j2: the code or the link is missing"),
        (
            "reset-link.html.j2",
            "{% extends \"layout.html\" %}",
            "reset-link.html.j2: the code or the link is",
        ),
        (
            "reset-code.subject.j2",
            "{{ code }} is yours",
            "line 1: a subject must not contain the code or the link",
        ),
        ("reset-code.subject.j2", "Your\ncode", "reset-code.subject.j2: a subject must be one line"),
        ("reset-code.subject.j2", "", "reset-code.subject.j2: renders to empty text"),
        ("password-changed.txt.j2", "It was {{ url }}", "must stand alone on its line"),
        (
            "password-changed.txt.j2",
            "Changed.\n{{ url }}\n",
            "line 2: undefined value in a notice without a link",
        ),
        ("password-changed.txt.j2", "Changed.", "password-changed.txt.j2: the code or the link is missing"),
        ("layout.html.j2", "<html></html>", "layout.html.j2: the code or the link is missing"),
        ("layout.html.j2", "{{ company }}", "layout.html.j2 line 1: unknown variable company"),
        (
            "layout.html.j2",
            "{% if brand.log %}x{% endif %}",
            "layout.html.j2 line 1: unknown variable brand.log",
        ),
        (
            "reset-code.txt.j2",
            "{{ code }}\n{{ brand.support }}",
            "line 2: undefined value in a mail without a network and with a brand that has only a name",
        ),
        ("reset-code.subject.j2", "{{ code_groups }}", "a subject must not contain the code or the link"),
        ("layout.html.j2", "{% block main %}", "layout.html.j2 line 1: syntax error"),
        ("px0/reset-code.de.txt.j2", "Hallo", "px0/reset-code.de.txt.j2: the code or the link is missing"),
        ("px1/reset-code.txt.j2", "{{ code }}", "px1: unknown dialect; expected one of px0, worthai"),
        ("rest-code.txt.j2", "{{ code }}", "rest-code.txt.j2: unknown mail kind \"rest-code\""),
        ("reset-code.german!.txt.j2", "{{ code }}", "\"german!\" is not a language tag"),
        ("reset-code.deutsch.txt.j2", "{{ code }}", "reset-code.deutsch.subject.j2 is required too"),
        ("reset-code.txt", "{{ code }}", "reset-code.txt: unexpected file name"),
        ("px0/old/reset-code.txt.j2", "{{ code }}", "px0/old: unexpected file name"),
        ("README.md", "Our mails", "README.md: unexpected file name"),
    ];
    for (file, source, expected) in cases {
        let fault = fault_of(&[(file, source)]);
        assert!(fault.contains(expected), "{file} {source:?}: {fault}");
        assert!(!fault.contains('\n'), "{fault}");
    }
}

#[test]
fn second_file_for_the_same_mails_is_rejected() {
    let fault =
        fault_of(&[("reset-code.de-CH.txt.j2", "{{ code }}"), ("reset-code.de-ch.txt.j2", "{{ code }}")]);
    assert_eq!(fault, "reset-code.de-ch.txt.j2: same purpose as reset-code.de-CH.txt.j2");
}

#[test]
fn missing_directory_is_named_and_dotfiles_are_ignored() {
    let dir = directory(&[(".gitkeep", ""), ("..data/reset-code.txt.j2", "{{"), ("px0/.x", "")]);
    assert!(Templates::new("en", Some(dir.path()), &DIALECTS).is_ok());
    let missing = dir.path().join("missing");
    let fault = Templates::new("en", Some(&missing), &DIALECTS).err().unwrap().to_string();
    assert!(fault.ends_with("missing: unreadable (entity not found)"), "{fault}");
}

#[test]
fn template_that_fails_on_one_mail_is_replaced_by_the_built_in_layout() {
    let templates = templates(&[
        ("reset-code.txt.j2", "{% if name and name == \"Bob\" %}{{ name.x.y }}{% endif %}\n{{ code }}"),
        ("reset-code.subject.j2", "For {{ name | default(\"you\") }}"),
    ]);
    let ada = written(&templates, MailKind::ResetCode, "px0", "en");
    assert_eq!((ada.subject.as_str(), ada.text.as_str()), ("For Ada Lovelace", "\n482913"));
    let bob = templates.render(MailContext { name: Some("Bob"), ..sample(MailKind::ResetCode) });
    assert_eq!(bob.subject, "Your Polyreset password reset code");
    assert!(bob.text.starts_with("Hi Bob,\n\nWe received a request"), "{}", bob.text);
}

#[test]
fn examples_of_the_documentation_are_valid() {
    let page = include_str!("../../../../docs/mail.md").split("## Your own templates").nth(1).unwrap();
    let example = |file: &str| {
        let after = page.split_once(&format!("`templates/{file}`")).unwrap().1;
        after.split_once("```\n").unwrap().1.split_once("```").unwrap().0.to_owned()
    };
    let (text, layout) = (example("px0/reset-code.txt.j2"), example("layout.html.j2"));
    let templates = templates(&[("px0/reset-code.txt.j2", &text), ("layout.html.j2", &layout)]);
    let mail = written(&templates, MailKind::ResetCode, "px0", "es");
    assert!(mail.text.starts_with("Hola, Ada Lovelace:"), "{}", mail.text);
    assert!(mail.text.contains("https://help.example.com") && mail.html.contains("Example Ltd"));
}

#[test]
fn prefixes_of_tags_are_listed_and_invalid_tags_have_none() {
    assert_eq!(prefixes("zh-Hant_TW"), ["zh-hant-tw", "zh-hant", "zh"]);
    assert_eq!(prefixes("de"), ["de"]);
    for tag in ["", "-", "d", "de-", "-de", "de--ch", "d3", "de.ch", "../de", &"a-b".repeat(20)] {
        assert!(prefixes(tag).is_empty(), "{tag}");
    }
}
