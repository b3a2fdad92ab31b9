//! Many clients that want the same at once, at different processes.

use std::{net::SocketAddr, sync::Barrier, thread};

use conformance::{
    databases,
    dialects::DIALECTS,
    http::{Connection, RawResponse},
    server::Server,
};

use crate::{
    on_each_engine,
    site::{Site, exchanged, secret},
};

on_each_engine! {
    of_two_hundred_simultaneous_resets_with_one_secret_exactly_one_is_done,
    three_processes_evaluate_three_guesses_between_them_and_not_one_more,
    an_address_is_mailed_once_a_minute_whichever_replica_is_asked,
}

/// Sends all bodies at the same time, spread over the servers; the answers in the order of the bodies.
fn at_once(servers: &[Server], path: &str, bodies: &[String]) -> Vec<RawResponse> {
    let start = Barrier::new(bodies.len());
    let send = |place: SocketAddr, body: &str| {
        let mut connection = Connection::open(place).unwrap();
        start.wait();
        loop {
            let answer = connection.post(path, body).unwrap();
            // Busy with hashes: the secret is unspent, and the client is told to come again.
            if answer.status != 503 {
                return answer;
            }
            assert!(answer.header("retry-after").is_some(), "{}", answer.body);
        }
    };
    thread::scope(|scope| {
        let sending: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(number, body)| {
                let place = servers[number % servers.len()].address;
                scope.spawn(move || send(place, body))
            })
            .collect();
        sending.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn of_two_hundred_simultaneous_resets_with_one_secret_exactly_one_is_done(server: databases::DatabaseServer) {
    let Some(site) = Site::on(server) else { return };
    let servers = site.start();
    for (number, dialect) in DIALECTS.iter().enumerate() {
        let email = format!("{}@example.com", dialect.name);
        site.deployments[number % 3].add_user(&email, "the old password").unwrap();
        let secret = secret(dialect, servers[0].address, &site.mails(), &email);
        let secret = exchanged(dialect, servers[1].address, &email, secret);
        let password = |number: usize| format!("New Password {number}!");
        let bodies: Vec<String> = (0..200).map(|number| (dialect.body)(&secret, &password(number))).collect();
        let answers = at_once(&servers, dialect.reset, &bodies);
        let done: Vec<usize> = (0..200).filter(|&number| answers[number].status == 200).collect();
        assert_eq!(done.len(), 1, "{}", dialect.name);
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(answer.status, dialect.refused, "{}: {}", dialect.name, answer.body);
        }
        // The password of the one that was told so, not of another.
        assert!(site.deployments[0].accepts(&email, &password(done[0])).unwrap(), "{}", dialect.name);
    }
}

fn an_address_is_mailed_once_a_minute_whichever_replica_is_asked(server: databases::DatabaseServer) {
    let Some(mut site) = Site::on(server) else { return };
    site.set("POLYRESET_LIMITS__ENABLED", "true");
    let servers = site.start();
    site.add_accounts(&["user@example.com".to_owned()]);
    let bodies = vec![r#"{"email":"user@example.com"}"#.to_owned(); 9];
    for answer in at_once(&servers, DIALECTS[2].ask, &bodies) {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let jobs = format!("SELECT COUNT(*) AS number FROM {}", site.table("jobs"));
    assert_eq!(site.number(&jobs), 1);
}

fn three_processes_evaluate_three_guesses_between_them_and_not_one_more(server: databases::DatabaseServer) {
    let Some(site) = Site::on(server) else { return };
    let servers = site.start();
    let insforge = &DIALECTS[3];
    let (path, body) = insforge.exchange.unwrap();
    let attempts = |email: &str| {
        site.number(&format!(
            "SELECT MAX(attempts) FROM {} WHERE email = '{email}' AND kind <> 'token'",
            site.table("tickets")
        ))
    };
    let emails: Vec<String> = (0..6).map(|round| format!("guessed{round}@example.com")).collect();
    site.add_accounts(&emails);
    for (round, email) in emails.iter().enumerate() {
        let code = secret(insforge, servers[round % 3].address, &site.mails(), email);
        let wrong = (0..30).map(|number| format!("{number:06}")).filter(|wrong| *wrong != code);
        let mut guesses: Vec<String> = wrong.map(|wrong| body(email, &wrong)).collect();
        let right = body(email, &code);
        if round % 2 == 0 {
            // The right one comes when all of the others were answered.
            let answers = at_once(&servers, path, &guesses);
            assert!(answers.iter().all(|answer| answer.status == 401));
            let late = at_once(&servers, path, &[right.clone(), right.clone(), right]);
            assert!(late.iter().all(|answer| answer.status == 401), "the code was tried a fourth time");
        } else {
            // The right one is among the others: it is one of the first three, or it is refused.
            guesses.insert(15, right);
            let answers = at_once(&servers, path, &guesses);
            let good = answers.iter().filter(|answer| answer.status == 200).count();
            assert!(good <= 1 && answers.iter().all(|answer| [200, 401].contains(&answer.status)));
            assert!(good == 0 || answers[15].status == 200);
        }
        assert!((1..=3).contains(&attempts(email)), "{} guesses were evaluated", attempts(email));
    }
}
