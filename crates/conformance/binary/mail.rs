//! Mails: locales, templates of the deployment, and the fallback transport.

use std::fs;

use conformance::{
    clients,
    http::{self, get},
};

use super::{deployment, px0, reset_mail};

#[test]
fn a_mail_uses_the_accounts_locale_and_the_dialects_template() {
    let (mut deployment, folder) = deployment();
    let templates = folder.path().join("templates");
    fs::create_dir_all(templates.join("px0")).unwrap();
    let template = "{{ phrases.greeting }}\n\n{{ code }}\n\nThe px0 team\n";
    fs::write(templates.join("px0/reset-code.txt.j2"), template).unwrap();
    deployment.set("POLYRESET_MAIL__TEMPLATES", templates.to_str().unwrap());
    let add = ["user", "add", "ada@example.com", "--password-stdin", "--locale", "de-CH", "--name", "Ada"];
    assert!(deployment.run(&add, "correct horse").unwrap().status.success());
    let server = deployment.start().unwrap();
    http::send(server.address, &px0().request_for("ada@example.com")).unwrap();
    let mail = reset_mail(&deployment, "ada@example.com");
    assert_eq!(mail.subject, "Ihr Code für ein neues Passwort bei Polyreset");
    assert!(mail.text.starts_with("Guten Tag Ada,") && mail.text.contains("The px0 team"), "{}", mail.text);

    deployment.add_user("bob@example.com", "correct horse").unwrap();
    http::send(server.address, &clients::named("worthai").request_for("bob@example.com")).unwrap();
    assert_eq!(reset_mail(&deployment, "bob@example.com").subject, "Reset your Polyreset password");
}

#[test]
fn a_template_error_fails_the_check_and_stops_the_start() {
    let (mut deployment, folder) = deployment();
    let check = |deployment: &conformance::server::TestDeployment| {
        let checked = deployment.run(&["templates", "check"], "").unwrap();
        (checked.status.code(), String::from_utf8(checked.stdout).unwrap())
    };
    assert_eq!(check(&deployment).0, Some(0));
    let templates = folder.path().join("templates");
    fs::create_dir(&templates).unwrap();
    fs::write(templates.join("reset-link.html.j2"), "<p>\n{{ lnik }}</p>").unwrap();
    deployment.set("POLYRESET_MAIL__TEMPLATES", templates.to_str().unwrap());
    let (code, report) = check(&deployment);
    assert_eq!(code, Some(1));
    let wanted = "reset-link.html.j2 line 2: unknown variable lnik";
    assert!(report.contains(&format!("FAIL  {wanted} (ja)\n")), "{report}");
    let serve = deployment.run(&["serve"], "").unwrap();
    assert_eq!(serve.status.code(), Some(1));
    let printed = String::from_utf8(serve.stderr).unwrap();
    assert!(printed.ends_with(&format!("\nerror: mail.templates: {wanted}\n")), "{printed}");
}

#[test]
fn a_mail_is_previewed_without_being_sent() {
    let (deployment, _folder) = deployment();
    let show = ["templates", "preview", "--kind", "password-changed", "--locale", "fr"];
    let shown = String::from_utf8(deployment.run(&show, "").unwrap().stdout).unwrap();
    assert!(shown.starts_with("Subject: Votre mot de passe Polyreset a été modifié\n\nBonjour "), "{shown}");
    assert!(!deployment.mails().exists());
}

#[test]
fn mail_is_sent_by_the_fallback_while_the_primary_is_down() {
    let (mut deployment, folder) = deployment();
    deployment.set("POLYRESET_MAIL_URL", "smtp://127.0.0.1:9");
    deployment
        .set("POLYRESET_MAIL_FALLBACK_URL", &format!("file://{}", folder.path().join("mail").display()));
    deployment.add_user("ada@example.com", "correct horse").unwrap();
    let server = deployment.start().unwrap();
    http::send(server.address, &px0().request_for("ada@example.com")).unwrap();
    assert!(reset_mail(&deployment, "ada@example.com").code().is_some());
    let ready = get(server.address, "/readyz").unwrap();
    assert!(ready.body.contains(r#""mail":"ok""#), "{}", ready.body);
}
