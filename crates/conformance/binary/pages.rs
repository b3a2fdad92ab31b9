//! A person with a browser: asks on a page, opens the mailed link, sets a password and signs in with it.

use std::{fs, net::SocketAddr};

use conformance::{
    http::{Connection, RawResponse, get},
    mails,
};

use super::{TIMEOUT, deployment, reset_mail, send_form};

const PERSON: &str = "user@example.com";
const NEW: &str = "A-new-passw0rd";

fn open(address: SocketAddr, target: &str, cookie: &str) -> RawResponse {
    let head = format!("GET {target} HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\naccept-language: de\r\n\r\n");
    Connection::open(address).unwrap().send(head.as_bytes()).unwrap()
}

#[test]
fn a_person_asks_opens_the_link_sets_a_password_and_signs_in_with_it() {
    let (mut deployment, folder) = deployment();
    let logo = folder.path().join("logo.svg");
    fs::write(&logo, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>").unwrap();
    deployment.set("POLYRESET_PAGES__LOGO", logo.to_str().unwrap());
    deployment.set("POLYRESET_PAGES__NAME", "Example");
    deployment.add_user(PERSON, "the old password").unwrap();
    let server = deployment.start().unwrap();
    let asked = send_form(server.address, "/forgot", "", "email=user%40example.com");
    assert_eq!(asked.status, 200, "{}", asked.body);
    let reference = asked.header("x-reset-reference").unwrap();
    assert!(asked.body.contains(reference) && asked.body.contains("alt=\"Example\""), "{}", asked.body);

    let mail = reset_mail(&deployment, PERSON);
    let target = mail.link().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap();
    let arrival = open(server.address, target, "");
    let (cookie, rest) = arrival.header("set-cookie").unwrap().split_once("; ").unwrap();
    assert_eq!(rest, "Path=/reset; Max-Age=900; HttpOnly; SameSite=Strict");
    let (_, onward) = arrival.body.split_once("content=\"0; url=").unwrap();
    let onward = format!("/{}", onward.split('"').next().unwrap().replace("&#38;", "&"));
    assert!(!onward.contains(mail.token().unwrap()));
    let form = open(server.address, &onward, cookie);
    assert!(form.status == 200 && form.body.contains("<h1>Neues Passwort festlegen</h1>"), "{}", form.body);
    let (_, link) = onward.rsplit_once("link=").unwrap();
    let set = |password: &str| {
        send_form(server.address, "/reset", cookie, &format!("link={link}&password={password}"))
    };
    let weak = set("short");
    assert_eq!(weak.status, 400);
    let done = set(NEW);
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(done.header("set-cookie").unwrap().starts_with(&format!("polyreset-reset-{link}=; ")));
    assert!(deployment.accepts(PERSON, NEW).unwrap());
    assert_eq!(set("Another-passw0rd").status, 400);
    let logged = deployment.logged();
    assert!(!logged.contains(mail.token().unwrap()) && !logged.contains('@'), "{logged}");
}

#[test]
fn without_pages_there_are_none_and_a_notice_has_no_link() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_PAGES__ENABLED", "false");
    for dialect in ["WORTHAI", "STRAPI"] {
        deployment.set(&format!("POLYRESET_{dialect}__PAGE_URL"), "https://app.example.com/reset");
    }
    deployment.add_user(PERSON, "the old password").unwrap();
    let server = deployment.start().unwrap();
    for path in ["/forgot", "/reset", "/not-me", "/.well-known/change-password"] {
        assert_eq!(get(server.address, path).unwrap().status, 404, "{path}");
    }
    let body = r#"{"email":"user@example.com"}"#;
    conformance::http::post(server.address, "/v1/auth/password-reset/trigger", body).unwrap();
    let code = reset_mail(&deployment, PERSON).code().unwrap().to_owned();
    let body = format!(r#"{{"code":"{code}","new_password":"{NEW}"}}"#);
    assert_eq!(
        conformance::http::post(server.address, "/v1/auth/password-reset/reset", &body).unwrap().status,
        200
    );
    let notice =
        mails::wait_for(&deployment.mails(), PERSON, TIMEOUT, |letter| letter.code().is_none()).unwrap();
    assert_eq!(notice.link(), None, "{}", notice.text);
}
