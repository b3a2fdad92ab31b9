//! Concurrent resets with one secret (R5).

use std::{io::Write, net::TcpStream, thread, time::Duration};

use conformance::{
    dialects::{DIALECTS, asked, text},
    http::{Connection, post},
    mails,
};

use super::{TIMEOUT, deployment};

const AT_ONCE: usize = 32;

#[test]
fn one_of_32_concurrent_resets_sets_its_password() {
    let (mut deployment, _folder) = deployment();
    // All connections come from one address, and all must reach the database.
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    let server = deployment.start().unwrap();
    for dialect in DIALECTS {
        let email = format!("{}@example.com", dialect.name);
        deployment.add_user(&email, "the old password").unwrap();
        assert!(post(server.address, dialect.ask, &asked(&email)).unwrap().status < 300);
        let wanted = |mail: &mails::ReceivedMail| (dialect.secret)(mail).is_some();
        let mail = mails::wait_for(&deployment.mails(), &email, TIMEOUT, wanted).unwrap();
        let mut secret = (dialect.secret)(&mail).unwrap().to_owned();
        if let Some((path, body)) = dialect.exchange {
            let answer = post(server.address, path, &body(&email, &secret)).unwrap();
            text(&answer.body, "token").unwrap().clone_into(&mut secret);
        }
        // Each connection sends all but the last byte, and then all send the last byte.
        let password = |number: usize| format!("New Password {number}!");
        let mut waiting: Vec<(Vec<u8>, TcpStream)> = (0..AT_ONCE)
            .map(|number| {
                let body = (dialect.body)(&secret, &password(number));
                let head = format!(
                    "POST {} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\n\r\n",
                    dialect.reset,
                    body.len()
                );
                let mut bytes = (head + &body).into_bytes();
                let last = bytes.split_off(bytes.len() - 1);
                let mut stream = TcpStream::connect(server.address).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(TIMEOUT)).unwrap();
                stream.write_all(&bytes).unwrap();
                (last, stream)
            })
            .collect();
        thread::sleep(Duration::from_millis(50));
        for (last, stream) in &mut waiting {
            stream.write_all(last).unwrap();
        }
        let statuses: Vec<u16> = waiting.into_iter().map(|(_, stream)| status(stream)).collect();
        let winners: Vec<usize> = (0..AT_ONCE).filter(|number| statuses[*number] == 200).collect();
        let [winner] = winners.as_slice() else { panic!("{}: {statuses:?}", dialect.name) };
        // The others are rejected because the secret is spent, or because too many passwords are being hashed.
        let rejected = statuses.iter().filter(|status| [dialect.refused, 503].contains(status)).count();
        assert_eq!(rejected, AT_ONCE - 1, "{}: {statuses:?}", dialect.name);
        assert!(deployment.accepts(&email, &password(*winner)).unwrap(), "{}", dialect.name);
        let other = usize::from(*winner == 0);
        assert!(!deployment.accepts(&email, &password(other)).unwrap(), "{}", dialect.name);
        let replay = (dialect.body)(&secret, &password(other));
        let replay = Connection::open(server.address).unwrap().post(dialect.reset, &replay).unwrap();
        assert_eq!(replay.status, dialect.refused, "{}", dialect.name);
    }
}

/// Reads the status of the response.
fn status(mut stream: TcpStream) -> u16 {
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
