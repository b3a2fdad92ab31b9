//! Mails as their readers get them: in their language, in the deployment's words, and by whichever way is open.

use std::fs;

use conformance::http::{get, post};

use super::{deployment, reset_mail};

const CODE: &str = "/v1/auth/password-reset/trigger";
const LINK: &str = "/auth/api/v1/forgot-password";

fn ask(email: &str) -> String {
    format!(r#"{{"email":"{email}"}}"#)
}

#[test]
fn a_mail_is_in_its_readers_language_and_in_the_deployments_words_for_the_dialect() {
    let (mut deployment, folder) = deployment();
    let templates = folder.path().join("templates");
    fs::create_dir_all(templates.join("px0")).unwrap();
    let own = "{{ phrases.greeting }}\n\n{{ code }}\n\nThe px0 team\n";
    fs::write(templates.join("px0/reset-code.txt.j2"), own).unwrap();
    deployment.set("POLYRESET_MAIL__TEMPLATES", templates.to_str().unwrap());
    let add = ["user", "add", "ada@example.com", "--password-stdin", "--locale", "de-CH", "--name", "Ada"];
    assert!(deployment.run(&add, "correct horse").unwrap().status.success());
    let server = deployment.start().unwrap();
    post(server.address, CODE, &ask("ada@example.com")).unwrap();
    let mail = reset_mail(&deployment, "ada@example.com");
    assert_eq!(mail.subject, "Ihr Code für ein neues Passwort");
    assert!(mail.text.starts_with("Guten Tag Ada,") && mail.text.contains("The px0 team"), "{}", mail.text);

    deployment.add_user("bob@example.com", "correct horse").unwrap();
    post(server.address, LINK, &ask("bob@example.com")).unwrap();
    assert_eq!(reset_mail(&deployment, "bob@example.com").subject, "Set a new password");
}

#[test]
fn a_template_with_a_slip_is_found_by_the_check_and_stops_the_start() {
    let (mut deployment, folder) = deployment();
    let check = |deployment: &conformance::server::Deployment| {
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
    assert_eq!(String::from_utf8(serve.stderr).unwrap(), format!("error: mail.templates: {wanted}\n"));
}

#[test]
fn a_mail_is_shown_without_being_sent() {
    let (deployment, _folder) = deployment();
    let show = ["templates", "preview", "--kind", "password-changed", "--locale", "fr"];
    let shown = String::from_utf8(deployment.run(&show, "").unwrap().stdout).unwrap();
    assert!(shown.starts_with("Subject: Votre mot de passe a été modifié\n\nBonjour "), "{shown}");
    assert!(!deployment.mails().exists());
}

#[test]
fn where_the_first_mail_server_is_down_mail_leaves_by_the_second_and_works() {
    let (mut deployment, folder) = deployment();
    deployment.set("POLYRESET_MAIL_URL", "smtp://127.0.0.1:9");
    deployment
        .set("POLYRESET_MAIL_FALLBACK_URL", &format!("file://{}", folder.path().join("mail").display()));
    deployment.add_user("ada@example.com", "correct horse").unwrap();
    let server = deployment.start().unwrap();
    post(server.address, CODE, &ask("ada@example.com")).unwrap();
    assert!(reset_mail(&deployment, "ada@example.com").code().is_some());
    let ready = get(server.address, "/readyz").unwrap();
    assert!(ready.body.contains(r#""mail":"ok""#), "{}", ready.body);
}
