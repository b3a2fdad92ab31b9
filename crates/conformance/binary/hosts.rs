//! Mails do not depend on the host that a request names (R31).

use std::{fs, thread, time::Duration};

use conformance::{clients, http::Connection, mails, server::TestDeployment};

use super::{deployment, reset_mail};

/// Heads of requests that name another host, and whether the server accepts them. `PATH` stands for the path.
const POISONED: [(&str, bool); 12] = [
    ("POST PATH HTTP/1.1\r\nhost: 127.0.0.1:8080", true),
    ("POST PATH HTTP/1.1\r\nhost: evil.example", true),
    ("POST PATH HTTP/1.1\r\nhost: 127.0.0.1:8080@evil.example", true),
    ("POST PATH HTTP/1.1\r\nhost: evil.example#127.0.0.1:8080", true),
    ("POST PATH HTTP/1.1\r\nhost: test\r\nx-forwarded-host: evil.example\r\nx-forwarded-proto: ftp", true),
    ("POST PATH HTTP/1.1\r\nhost: test\r\nx-forwarded-port: 6666\r\nx-forwarded-prefix: /evil.example", true),
    ("POST PATH HTTP/1.1\r\nhost: test\r\nforwarded: for=192.0.2.1;host=evil.example;proto=ftp", true),
    (
        "POST PATH HTTP/1.1\r\nhost: test\r\nx-original-url: //evil.example\r\nx-rewrite-url: //evil.example",
        true,
    ),
    (
        "POST PATH HTTP/1.1\r\nhost: test\r\norigin: https://evil.example\r\nreferer: https://evil.example/",
        true,
    ),
    ("POST http://evil.examplePATH HTTP/1.1\r\nhost: test", true),
    ("POST PATH HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nhost: evil.example", false),
    ("POST PATH HTTP/1.1\r\nx-forwarded-host: evil.example", false),
];

/// Removes the only mail from the folder and returns it without its varying parts: id, date, boundary and secret.
fn take_mail(deployment: &TestDeployment) -> String {
    let mail = reset_mail(deployment, "user@example.com");
    let [file] = fs::read_dir(deployment.mails())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let text = fs::read_to_string(file).unwrap().replace("=\r\n", "");
    mails::clear(&deployment.mails()).unwrap();
    let boundary = text.split_once("boundary=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let secret = mail.code().or(mail.token()).unwrap();
    // The secret as it is written and as groups of a code; what says when the request came, and which one it was.
    let reference = text.split_once("Reference: ").unwrap().1.lines().next().unwrap().to_owned();
    let requested = text.split_once("Requested: ").unwrap().1.lines().next().unwrap().to_owned();
    let halves = secret.split_at_checked(3).filter(|_| secret.len() == 6).unwrap_or((secret, secret));
    let lines = text
        .replace(secret, "SECRET")
        .replace(&format!(">{}<", halves.0), ">SECRET<")
        .replace(&format!(">{}<", halves.1), ">SECRET<")
        .replace(&boundary, "BORDER")
        .replace(&reference, "REFERENCE")
        .replace(&requested, "TIME");
    let fixed = lines.lines().filter(|line| !line.starts_with("Message-ID:") && !line.starts_with("Date:"));
    fixed.collect::<Vec<_>>().join("\n")
}

#[test]
fn mails_are_identical_for_any_host_named_in_the_request() {
    let (mut deployment, _folder) = deployment();
    let links =
        [("insforge.method", "link"), ("insforge.allowed_redirect_urls", "https://app.example.com/done")];
    for (name, value) in links {
        deployment.set(&clients::variable(name), value);
    }
    deployment.add_user("user@example.com", "the old password").unwrap();
    let server = deployment.start().unwrap();
    for step in clients::with(&links).iter().map(|client| client.request_for("user@example.com")) {
        let body = step.body;
        let mut first = None;
        for (head, accepted) in POISONED {
            let head = head.replace("PATH", &step.path);
            let rest =
                format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let answer = Connection::open(server.address)
                .unwrap()
                .send(format!("{head}\r\n{rest}").as_bytes())
                .unwrap();
            if !accepted {
                assert_eq!(answer.status, 400, "{head}");
                continue;
            }
            assert!(answer.status < 300, "{head}: {}", answer.status);
            assert!(!format!("{answer:?}").contains("evil"), "{head}: {answer:?}");
            let mail = take_mail(&deployment);
            assert!(
                !mail.contains("evil") && !mail.contains("6666") && !mail.contains("ftp"),
                "{head}: {mail}"
            );
            assert!(mail.contains("SECRET"), "{mail}");
            let first = first.get_or_insert_with(|| mail.clone());
            assert_eq!(mail, *first, "{head}");
        }
    }
    // Rejected requests have sent no mail either.
    thread::sleep(Duration::from_millis(200));
    assert_eq!(fs::read_dir(deployment.mails()).map_or(0, Iterator::count), 0);
    drop(server);
}
