//! One secret, many passwords, one moment (R5).

use std::{io::Write, net::TcpStream, thread, time::Duration};

use conformance::{
    dialects::{DIALECTS, asked, text},
    http::{Connection, post},
    mails,
};

use super::{TIMEOUT, deployment};

const AT_ONCE: usize = 32;

#[test]
fn of_32_connections_that_finish_their_resets_together_one_sets_its_password() {
    let (mut deployment, _folder) = deployment();
    // All come from one address, and all are to reach the database.
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    let server = deployment.start().unwrap();
    for dialect in DIALECTS {
        let email = format!("{}@example.com", dialect.name);
        deployment.add_user(&email, "the old password").unwrap();
        assert!(post(server.address, dialect.ask, &asked(&email)).unwrap().status < 300);
        let wanted = |letter: &mails::ReceivedMail| (dialect.secret)(letter).is_some();
        let mail = mails::wait_for(&deployment.mails(), &email, TIMEOUT, wanted).unwrap();
        let mut secret = (dialect.secret)(&mail).unwrap().to_owned();
        if let Some((path, body)) = dialect.exchange {
            let answer = post(server.address, path, &body(&email, &secret)).unwrap();
            text(&answer.body, "token").unwrap().clone_into(&mut secret);
        }
        // Each sends all but its last byte, and then all send that.
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
        let won: Vec<usize> = (0..AT_ONCE).filter(|number| statuses[*number] == 200).collect();
        let [winner] = won.as_slice() else { panic!("{}: {statuses:?}", dialect.name) };
        // The others were wrong by then, or too many at once.
        let lost = statuses.iter().filter(|status| [dialect.refused, 503].contains(status)).count();
        assert_eq!(lost, AT_ONCE - 1, "{}: {statuses:?}", dialect.name);
        assert!(deployment.accepts(&email, &password(*winner)).unwrap(), "{}", dialect.name);
        let other = usize::from(*winner == 0);
        assert!(!deployment.accepts(&email, &password(other)).unwrap(), "{}", dialect.name);
        let replay = (dialect.body)(&secret, &password(other));
        let replay = Connection::open(server.address).unwrap().post(dialect.reset, &replay).unwrap();
        assert_eq!(replay.status, dialect.refused, "{}", dialect.name);
    }
}

/// The status of the one answer.
fn status(mut stream: TcpStream) -> u16 {
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
