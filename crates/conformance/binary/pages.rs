//! The hosted pages in a browser: request a reset, open the mailed link and set a password.

use std::{fs, net::SocketAddr};

use conformance::{
    clients,
    http::{self, Connection, RawResponse, get},
    mails,
};

use super::{TIMEOUT, deployment, mailed_secret, px0, reset_mail, send_form};

const PERSON: &str = "user@example.com";
const NEW: &str = "A-new-passw0rd";

fn open(address: SocketAddr, target: &str, cookie: &str) -> RawResponse {
    let head = format!("GET {target} HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\naccept-language: de\r\n\r\n");
    Connection::open(address).unwrap().send(head.as_bytes()).unwrap()
}

#[test]
fn a_password_is_reset_through_the_hosted_pages() {
    let (mut deployment, folder) = deployment();
    let logo = folder.path().join("logo.svg");
    fs::write(&logo, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>").unwrap();
    deployment.set("POLYRESET_BRAND__LOGO", logo.to_str().unwrap());
    deployment.set("POLYRESET_BRAND__NAME", "Example");
    deployment.add_user(PERSON, "the old password").unwrap();
    let server = deployment.start().unwrap();
    let response = send_form(server.address, "/forgot", "", "email=user%40example.com");
    assert_eq!(response.status, 200, "{}", response.body);
    let reference = response.header("x-reset-reference").unwrap();
    assert!(
        response.body.contains(reference) && response.body.contains("alt=\"Example\""),
        "{}",
        response.body
    );

    let mail = reset_mail(&deployment, PERSON);
    let target = mail.link().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap();
    let arrival = open(server.address, target, "");
    let (cookie, rest) = arrival.header("set-cookie").unwrap().split_once("; ").unwrap();
    assert_eq!(rest, "Path=/reset; Max-Age=900; HttpOnly; SameSite=Strict");
    let (_, next_target) = arrival.body.split_once("content=\"0; url=").unwrap();
    let next_target = format!("/{}", next_target.split('"').next().unwrap().replace("&#38;", "&"));
    assert!(!next_target.contains(mail.token().unwrap()));
    let form = open(server.address, &next_target, cookie);
    assert!(form.status == 200 && form.body.contains("<h1>Neues Passwort festlegen</h1>"), "{}", form.body);
    let (_, link) = next_target.rsplit_once("link=").unwrap();
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
fn disabled_pages_are_not_served_and_a_notice_has_no_link() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_PAGES__ENABLED", "false");
    for name in clients::page_variables() {
        deployment.set(&name, "https://app.example.com/reset");
    }
    deployment.add_user(PERSON, "the old password").unwrap();
    let server = deployment.start().unwrap();
    for path in ["/forgot", "/reset", "/not-me", "/.well-known/change-password"] {
        assert_eq!(get(server.address, path).unwrap().status, 404, "{path}");
    }
    let code = mailed_secret(&deployment, server.address, &px0(), PERSON);
    assert_eq!(http::send(server.address, &px0().redeem_with(&code, NEW)).unwrap().status, 200);
    let notice = mails::wait_for(&deployment.mails(), PERSON, TIMEOUT, |mail| mail.code().is_none()).unwrap();
    assert_eq!(notice.link(), None, "{}", notice.text);
}
