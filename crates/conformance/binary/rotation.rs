//! Secret rotation on a deployment in use: tickets mailed before stay valid.

use std::{fs, net::SocketAddr, path::Path, thread};

use conformance::{
    clients::{self, Client, Step, exchanged},
    http::{self, RawResponse},
    server::TestDeployment,
};

use super::{deployment, mailed_secret};

const PASSWORD: &str = "A new passw0rd!";

/// An issued ticket: its account and the request that spends it, which may be an exchange.
struct IssuedTicket {
    client: Client,
    email: String,
    step: Step,
}

/// Requests a ticket in each dialect, and two where codes are exchanged: one code is exchanged, the other is not.
fn issue(deployment: &TestDeployment, address: SocketAddr, round: usize) -> Vec<IssuedTicket> {
    let issued = |client: &Client, kind: &str| {
        let email = format!("{}-{kind}{round}@example.com", client.dialect);
        deployment.add_user(&email, "the old password").unwrap();
        (mailed_secret(deployment, address, client, &email), email)
    };
    let mut tickets = Vec::new();
    for client in clients::all() {
        let (secret, email) = issued(&client, "redeem");
        let secret = exchanged(&client, address, &email, secret).unwrap();
        let step = client.redeem_with(&secret, PASSWORD);
        tickets.push(IssuedTicket { client: client.clone(), email, step });
        if client.exchange.is_some() {
            let (code, email) = issued(&client, "exchange");
            let step = client.exchange_of(&email, &code).unwrap();
            tickets.push(IssuedTicket { client, email, step });
        }
    }
    tickets
}

impl IssuedTicket {
    /// Sends the request that spends the ticket.
    fn spend(&self, address: SocketAddr) -> RawResponse {
        http::send(address, &self.step).unwrap()
    }

    /// Sends the request that spends the ticket, and the one that sets the password if that was an exchange.
    fn set_password(&self, address: SocketAddr) {
        let answer = self.spend(address);
        assert!(answer.is_success(), "{}: {}", self.email, answer.body);
        if let Some(token) = self.client.token_in(&answer.body) {
            let answer = http::send(address, &self.client.redeem_with(&token, PASSWORD)).unwrap();
            assert!(answer.is_success(), "{}: {}", self.email, answer.body);
        }
    }
}

fn rotate(deployment: &TestDeployment) {
    let rotated = deployment.run(&["secret", "rotate"], "").unwrap();
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_rotation_under_load_fails_no_valid_reset_in_any_dialect() {
    let (deployment, folder) = deployment();
    let server = deployment.start().unwrap();
    let mut all = issue(&deployment, server.address, 0);
    let (secret, previous) =
        (folder.path().join("reset.secret"), folder.path().join("reset.secret.previous"));
    let first = read(&secret);
    rotate(&deployment);
    assert_eq!(read(&previous), first);
    assert_ne!(read(&secret), first);
    // The running process still uses the old secret.
    all.extend(issue(&deployment, server.address, 1));
    server.kill();
    let server = deployment.start().unwrap();
    thread::scope(|scope| {
        let (deployment, address) = (&deployment, server.address);
        // Tickets requested in the meantime are issued under the new secret.
        let fresh = scope.spawn(move || issue(deployment, address, 2));
        for ticket in &all {
            scope.spawn(move || ticket.set_password(address));
        }
        for ticket in fresh.join().unwrap() {
            let answer = ticket.spend(address);
            assert!(answer.is_success(), "{}: {}", ticket.email, answer.body);
        }
    });
    for IssuedTicket { email, .. } in &all {
        assert!(deployment.accepts(email, PASSWORD).unwrap(), "{email}");
    }
}

#[test]
fn tickets_are_invalid_after_the_previous_secret_is_removed() {
    let (deployment, folder) = deployment();
    let server = deployment.start().unwrap();
    let all = issue(&deployment, server.address, 0);
    rotate(&deployment);
    fs::remove_file(folder.path().join("reset.secret.previous")).unwrap();
    server.kill();
    let server = deployment.start().unwrap();
    for ticket in &all {
        let IssuedTicket { client, email, .. } = ticket;
        let answer = ticket.spend(server.address);
        let (status, text) = match client.dialect {
            "px0" => (client.refused, "invalid or expired password reset code"),
            // Its contract answers a forged signature with a server error.
            "worthai" => (500, "invalid signature"),
            "strapi" => (client.refused, "Incorrect code provided"),
            "insforge" => (client.refused, "Invalid or expired"),
            _ => (client.refused, ""),
        };
        assert!(answer.status == status && answer.body.contains(text), "{email}: {}", answer.body);
        assert!(deployment.accepts(email, "the old password").unwrap());
    }
}

#[test]
fn a_configured_secret_is_rotated_by_settings() {
    let (mut deployment, _folder) = deployment();
    let [old, new] = ["ab", "cd"].map(|byte| format!("{byte}01020304050607").repeat(4));
    deployment.set("POLYRESET_SECRET", &old);
    let refused = deployment.run(&["secret", "rotate"], "").unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("POLYRESET_SECRET_PREVIOUS"), "{said}");
    let server = deployment.start().unwrap();
    let all = issue(&deployment, server.address, 0);
    deployment.set("POLYRESET_SECRET", &new);
    deployment.set("POLYRESET_SECRET_PREVIOUS", &old);
    server.kill();
    let server = deployment.start().unwrap();
    for ticket in &all {
        assert!(ticket.spend(server.address).is_success(), "{}", ticket.email);
    }
    let doctor = deployment.run(&["doctor"], "").unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("ok    secret: at least 32 bytes; previous secrets still accepted: 1"), "{said}");
}
