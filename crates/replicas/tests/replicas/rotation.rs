//! Another secret, one replica after the other, while people reset their passwords (docs/configure.md, "Rotate the
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
    databases,
    dialects::{ClientDialect, DIALECTS},
    http::post,
    server::Server,
};

use crate::{
    on_each_engine,
    site::{Site, exchanged, secret},
};

on_each_engine! {
    no_reset_fails_while_three_replicas_get_another_secret_one_by_one,
}

/// The one that a [`Site`] begins with.
const OLD: &str = "07";
const NEW: &str = "1e";

/// Where the replicas are that take requests.
struct Rota {
    places: Mutex<[Option<SocketAddr>; 3]>,
    turn: AtomicUsize,
}

impl Rota {
    /// One after the other.
    fn next(&self) -> SocketAddr {
        let places: Vec<SocketAddr> = self.places.lock().unwrap().iter().flatten().copied().collect();
        places[self.turn.fetch_add(1, Ordering::Relaxed) % places.len()]
    }

    fn put(&self, number: usize, place: Option<SocketAddr>) {
        self.places.lock().unwrap()[number] = place;
    }
}

/// A ticket of `dialect` for an account of its own: what its reset takes.
fn asked(site: &Site, rota: &Rota, dialect: &ClientDialect, email: &str) -> String {
    site.add_accounts(&[email.to_owned()]);
    let secret = secret(dialect, rota.next(), &site.mails(), email);
    (dialect.body)(&exchanged(dialect, rota.next(), email, secret), "New Password 1!")
}

fn spent(rota: &Rota, dialect: &ClientDialect, body: &str) -> u16 {
    post(rota.next(), dialect.reset, body).unwrap().status
}

/// Gives every replica these secrets, one after the other; the others take its requests meanwhile.
fn roll(site: &Site, servers: &mut Vec<Server>, rota: &Rota, secret: &str, previous: &str) {
    for number in 0..3 {
        rota.put(number, None);
        let mut deployment = site.another(number);
        deployment.set("POLYRESET_SECRET", &secret.repeat(32));
        deployment.set("POLYRESET_SECRET_PREVIOUS", &previous.repeat(32));
        assert!(servers.remove(0).terminate().unwrap().success());
        let server = deployment.start().unwrap();
        rota.put(number, Some(server.address));
        servers.push(server);
    }
}

fn no_reset_fails_while_three_replicas_get_another_secret_one_by_one(server: databases::DatabaseServer) {
    let Some(site) = Site::on(server) else { return };
    let mut servers = Vec::from(site.start());
    let rota = Rota {
        places: Mutex::new([0, 1, 2].map(|number: usize| Some(servers[number].address))),
        turn: AtomicUsize::new(0),
    };
    let out = |prefix: &str| -> Vec<(&ClientDialect, String)> {
        let one = |dialect: &'static ClientDialect| {
            (dialect, asked(&site, &rota, dialect, &format!("{prefix}-{}@example.com", dialect.name)))
        };
        DIALECTS.iter().map(one).collect()
    };
    let (before, later) = (out("before"), out("later"));
    let (done, flows) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for worker in 0..2 {
            let (done, flows, rota, site) = (&done, &flows, &rota, &site);
            scope.spawn(move || {
                for round in 0.. {
                    for dialect in &DIALECTS {
                        if done.load(Ordering::Relaxed) {
                            return;
                        }
                        let email = format!("w{worker}-{round}-{}@example.com", dialect.name);
                        let body = asked(site, rota, dialect, &email);
                        assert_eq!(spent(rota, dialect, &body), 200, "{email}");
                        flows.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        roll(&site, &mut servers, &rota, OLD, NEW);
        roll(&site, &mut servers, &rota, NEW, OLD);
        done.store(true, Ordering::Relaxed);
    });
    assert!(flows.into_inner() > 20, "there was hardly any load");
    for (dialect, body) in before {
        assert_eq!(spent(&rota, dialect, &body), 200, "{}", dialect.name);
    }
    let fresh = out("fresh");
    roll(&site, &mut servers, &rota, NEW, "");
    for (dialect, body) in fresh {
        assert_eq!(spent(&rota, dialect, &body), 200, "{}", dialect.name);
    }
    // What never was used is nobody's any more.
    for (dialect, body) in later {
        let status = spent(&rota, dialect, &body);
        assert!(status == dialect.refused || status == 500, "{}: {status}", dialect.name);
    }
}
