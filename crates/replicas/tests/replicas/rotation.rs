//! Rotation of the secret, one replica after the other, while passwords are reset (docs/configure.md, "Rotate the
//! secret").

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use conformance::{
    clients::{self, Client, Step},
    databases, http,
    server::Server,
};

use crate::{
    on_each_engine,
    site::{Site, exchanged, secret},
};

on_each_engine! {
    no_reset_fails_during_a_rolling_rotation_of_the_secret,
}

/// A quarter of the initial secret of a [`Site`], in hex.
const OLD: &str = "0801020304050607";
const NEW: &str = "1e01020304050607";

/// Addresses of the replicas that take requests, used in turn.
struct Balancer {
    addresses: Mutex<[Option<SocketAddr>; 3]>,
    turn: AtomicUsize,
}

impl Balancer {
    /// Returns the address of the next replica.
    fn next(&self) -> SocketAddr {
        let addresses: Vec<SocketAddr> = self.addresses.lock().unwrap().iter().flatten().copied().collect();
        addresses[self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len()]
    }

    /// Sets or removes the address of a replica.
    fn set(&self, number: usize, address: Option<SocketAddr>) {
        self.addresses.lock().unwrap()[number] = address;
    }
}

/// Issues a ticket of the dialect for a new account, and returns the request that sets its password.
fn issue(site: &Site, balancer: &Balancer, client: &Client, email: &str) -> Step {
    site.add_accounts(&[email.to_owned()]);
    let secret = secret(client, balancer.next(), &site.mails(), email);
    client.redeem_with(&exchanged(client, balancer.next(), email, secret), "New Password 1!")
}

fn redeem(balancer: &Balancer, step: &Step) -> u16 {
    http::send(balancer.next(), step).unwrap().status
}

/// Restarts every replica with these secrets, one after the other, while the others take its requests.
fn rotate(site: &Site, servers: &mut Vec<Server>, balancer: &Balancer, secret: &str, previous: &str) {
    for number in 0..3 {
        balancer.set(number, None);
        let mut deployment = site.another(number);
        deployment.set("POLYRESET_SECRET", &secret.repeat(4));
        deployment.set("POLYRESET_SECRET_PREVIOUS", &previous.repeat(4));
        assert!(servers.remove(0).terminate().unwrap().success());
        let server = deployment.start().unwrap();
        balancer.set(number, Some(server.address));
        servers.push(server);
    }
}

fn no_reset_fails_during_a_rolling_rotation_of_the_secret(server: databases::DatabaseServer) {
    let Some(site) = Site::on(server) else { return };
    let mut servers = Vec::from(site.start());
    let balancer = Balancer {
        addresses: Mutex::new([0, 1, 2].map(|number: usize| Some(servers[number].address))),
        turn: AtomicUsize::new(0),
    };
    let clients = clients::all();
    let issue_all = |prefix: &str| -> Vec<(&Client, Step)> {
        let address = |client: &Client| format!("{prefix}-{}@example.com", client.dialect);
        clients.iter().map(|client| (client, issue(&site, &balancer, client, &address(client)))).collect()
    };
    let (before, later) = (issue_all("before"), issue_all("later"));
    let (stop, flows) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for worker in 0..2 {
            let (stop, flows, balancer, site, clients) = (&stop, &flows, &balancer, &site, &clients);
            scope.spawn(move || {
                for round in 0.. {
                    for client in clients {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let email = format!("w{worker}-{round}-{}@example.com", client.dialect);
                        let reset = issue(site, balancer, client, &email);
                        assert!(http::is_success(redeem(balancer, &reset)), "{email}");
                        flows.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        rotate(&site, &mut servers, &balancer, OLD, NEW);
        rotate(&site, &mut servers, &balancer, NEW, OLD);
        stop.store(true, Ordering::Relaxed);
    });
    assert!(flows.into_inner() > 20, "too few resets ran during the rotation");
    for (client, step) in before {
        assert!(http::is_success(redeem(&balancer, &step)), "{}", client.dialect);
    }
    let fresh = issue_all("fresh");
    rotate(&site, &mut servers, &balancer, NEW, "");
    for (client, step) in fresh {
        assert!(http::is_success(redeem(&balancer, &step)), "{}", client.dialect);
    }
    // A ticket of the old secret is invalid once that secret is removed.
    for (client, step) in later {
        let status = redeem(&balancer, &step);
        assert!(status == client.refused || status == 500, "{}: {status}", client.dialect);
    }
}
