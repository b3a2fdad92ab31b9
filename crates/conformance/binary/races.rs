//! Concurrent resets with one secret (R5).

use std::{io::Write, net::TcpStream, thread, time::Duration};

use conformance::{
    clients::{self, exchanged},
    http,
};

use super::{TIMEOUT, deployment, mailed_secret};

const AT_ONCE: usize = 32;

#[test]
fn one_of_32_concurrent_resets_sets_its_password() {
    let (mut deployment, _folder) = deployment();
    // All connections come from one address, and all must reach the database.
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    let server = deployment.start().unwrap();
    for client in clients::all() {
        let name = client.dialect;
        let email = format!("{name}@example.com");
        deployment.add_user(&email, "the old password").unwrap();
        let secret = mailed_secret(&deployment, server.address, &client, &email);
        let secret = exchanged(&client, server.address, &email, secret).unwrap();
        // Each connection sends all but the last byte, and then all send the last byte.
        let password = |number: usize| format!("New Password {number}!");
        let mut waiting: Vec<(Vec<u8>, TcpStream)> = (0..AT_ONCE)
            .map(|number| {
                let step = client.redeem_with(&secret, &password(number));
                let head = format!(
                    "POST {} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\n\r\n",
                    step.path,
                    step.body.len()
                );
                let mut bytes = (head + &step.body).into_bytes();
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
        let winners: Vec<usize> = (0..AT_ONCE).filter(|number| http::is_success(statuses[*number])).collect();
        let [winner] = winners.as_slice() else { panic!("{name}: {statuses:?}") };
        // The others are rejected because the secret is spent, or because too many passwords are being hashed.
        let rejected = statuses.iter().filter(|status| [client.refused, 503].contains(status)).count();
        assert_eq!(rejected, AT_ONCE - 1, "{name}: {statuses:?}");
        assert!(deployment.accepts(&email, &password(*winner)).unwrap(), "{name}");
        let other = usize::from(*winner == 0);
        assert!(!deployment.accepts(&email, &password(other)).unwrap(), "{name}");
        let replay = http::send(server.address, &client.redeem_with(&secret, &password(other))).unwrap();
        assert_eq!(replay.status, client.refused, "{name}");
    }
}

/// Reads the status of the response.
fn status(mut stream: TcpStream) -> u16 {
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
