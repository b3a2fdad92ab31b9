//! Races between concurrent clients at different processes.

use std::{net::SocketAddr, sync::Barrier, thread};

use conformance::{
    clients::{self, Step},
    databases,
    http::{Connection, RawResponse},
    server::Server,
};

use crate::{
    on_each_engine,
    site::{Site, exchanged, secret},
};

on_each_engine! {
    exactly_one_of_two_hundred_concurrent_resets_with_one_secret_succeeds,
    three_processes_together_evaluate_only_three_guesses,
    address_gets_one_mail_per_minute_from_all_replicas_together,
}

/// Sends all requests at the same time, spread over the servers. Returns the responses in their order.
fn send_concurrently(servers: &[Server], steps: &[Step]) -> Vec<RawResponse> {
    let start = Barrier::new(steps.len());
    let send = |address: SocketAddr, step: &Step| {
        let mut connection = Connection::open(address).unwrap();
        start.wait();
        loop {
            let response = connection.post(&step.path, &step.body).unwrap();
            // 503 means that the hashing queue is full: the secret is unspent, and the client may retry.
            if response.status != 503 {
                return response;
            }
            assert!(response.header("retry-after").is_some(), "{}", response.body);
        }
    };
    thread::scope(|scope| {
        let sending: Vec<_> = steps
            .iter()
            .enumerate()
            .map(|(number, step)| {
                let address = servers[number % servers.len()].address;
                scope.spawn(move || send(address, step))
            })
            .collect();
        sending.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn exactly_one_of_two_hundred_concurrent_resets_with_one_secret_succeeds(server: databases::DatabaseServer) {
    if let Some(site) = Site::on(server) {
        check_two_hundred_resets(&site);
    }
}

/// Sends two hundred resets with one secret per dialect.
pub(crate) fn check_two_hundred_resets(site: &Site) {
    let servers = site.start();
    for (number, client) in clients::all().iter().enumerate() {
        let dialect = client.dialect;
        let email = format!("{dialect}@example.com");
        site.deployments[number % 3].add_user(&email, "the old password").unwrap();
        let secret = secret(client, servers[0].address, &site.mails(), &email);
        let secret = exchanged(client, servers[1].address, &email, secret);
        let password = |number: usize| format!("New Password {number}!");
        let steps: Vec<Step> =
            (0..200).map(|number| client.redeem_with(&secret, &password(number))).collect();
        let responses = send_concurrently(&servers, &steps);
        let succeeded: Vec<usize> = (0..200).filter(|&number| responses[number].is_success()).collect();
        assert_eq!(succeeded.len(), 1, "{dialect}");
        for response in responses.iter().filter(|response| !response.is_success()) {
            assert_eq!(response.status, client.refused, "{dialect}: {}", response.body);
        }
        // The stored password is that of the successful request.
        assert!(site.deployments[0].accepts(&email, &password(succeeded[0])).unwrap(), "{dialect}");
    }
}

fn address_gets_one_mail_per_minute_from_all_replicas_together(server: databases::DatabaseServer) {
    let Some(mut site) = Site::on(server) else { return };
    site.set("POLYRESET_LIMITS__ENABLED", "true");
    let servers = site.start();
    site.add_accounts(&["user@example.com".to_owned()]);
    let steps = vec![clients::named("strapi").request_for("user@example.com"); 9];
    for response in send_concurrently(&servers, &steps) {
        assert!(response.is_success(), "{}", response.body);
    }
    let jobs = format!("SELECT COUNT(*) AS number FROM {}", site.table("jobs"));
    assert_eq!(site.number(&jobs), 1);
}

fn three_processes_together_evaluate_only_three_guesses(server: databases::DatabaseServer) {
    if let Some(site) = Site::on(server) {
        check_three_guesses(&site);
    }
}

/// Guesses at six codes, more often than each may be guessed.
pub(crate) fn check_three_guesses(site: &Site) {
    let servers = site.start();
    let insforge = clients::named("insforge");
    let guess = |email: &str, code: &str| insforge.exchange_of(email, code).unwrap();
    let attempts = |email: &str| {
        site.number(&format!(
            "SELECT MAX(attempts) FROM {} WHERE email = '{email}' AND kind <> 'token'",
            site.table("tickets")
        ))
    };
    let emails: Vec<String> = (0..6).map(|round| format!("guessed{round}@example.com")).collect();
    site.add_accounts(&emails);
    for (round, email) in emails.iter().enumerate() {
        let code = secret(&insforge, servers[round % 3].address, &site.mails(), email);
        let wrong = (0..30).map(|number| format!("{number:06}")).filter(|wrong| *wrong != code);
        let mut guesses: Vec<Step> = wrong.map(|wrong| guess(email, &wrong)).collect();
        let right = guess(email, &code);
        if round % 2 == 0 {
            // The right code is sent after all wrong ones are answered.
            let responses = send_concurrently(&servers, &guesses);
            assert!(responses.iter().all(|response| response.status == 401));
            let late = send_concurrently(&servers, &[right.clone(), right.clone(), right]);
            assert!(late.iter().all(|response| response.status == 401), "a fourth guess was evaluated");
        } else {
            // The right code is among the wrong ones: it is one of the first three, or it is rejected.
            guesses.insert(15, right);
            let responses = send_concurrently(&servers, &guesses);
            let accepted = responses.iter().filter(|response| response.status == 200).count();
            assert!(accepted <= 1 && responses.iter().all(|response| [200, 401].contains(&response.status)));
            assert!(accepted == 0 || responses[15].status == 200);
        }
        assert!((1..=3).contains(&attempts(email)), "{} guesses were evaluated", attempts(email));
    }
}
