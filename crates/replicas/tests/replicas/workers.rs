//! Mails are sent even if one of the worker processes dies.

use std::{
    collections::BTreeSet,
    fs, thread,
    time::{Duration, Instant},
};

use conformance::{clients, databases, http, mails::ReceivedMail, sink::Sink};

use crate::{
    TIMEOUT, on_each_engine,
    site::{Site, secrets},
};

on_each_engine! {
    every_account_gets_its_mail_although_a_replica_is_killed,
    jobs_of_a_killed_replica_are_mailed_again_with_the_same_secret,
}

/// Concurrent SMTP deliveries of one process; `crates/reset-mail` sets this limit.
const CONCURRENT_MAILS: usize = 4;

fn addresses(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("user{number}@example.com")).collect()
}

/// Latest time by which the jobs of a killed replica are mailed: a lease of 15 s, and some time on a busy machine.
const TAKEN_OVER: Duration = Duration::from_secs(25);

fn every_account_gets_its_mail_although_a_replica_is_killed(server: databases::DatabaseServer) {
    let Some(site) = Site::on(server) else { return };
    let [one, two, dying] = site.start();
    let all = addresses(60);
    site.add_accounts(&all);
    let strapi = clients::named("strapi");
    let request = |address, email: &str| {
        http::send(address, &strapi.request_for(email)).is_ok_and(|response| response.status == 200)
    };
    let addresses = [one.address, two.address, dying.address];
    // Each server gets a third of the requests; the third server is killed once the first mails are sent.
    let unanswered: BTreeSet<&String> = thread::scope(|scope| {
        let requesting: Vec<_> = addresses
            .into_iter()
            .enumerate()
            .map(|(number, address)| {
                let share: Vec<&String> = all.iter().skip(number).step_by(3).collect();
                scope.spawn(move || {
                    share.into_iter().filter(|email| !request(address, email)).collect::<Vec<_>>()
                })
            })
            .collect();
        while fs::read_dir(site.mails()).map_or(0, Iterator::count) < 6 {
            thread::sleep(Duration::from_millis(1));
        }
        dying.kill();
        requesting.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    // Repeat the requests without a response at another server.
    for email in &unanswered {
        assert!(request(one.address, email));
    }
    let begun = Instant::now();
    site.wait_for(&format!("SELECT COUNT(*) FROM {} WHERE finished_at IS NULL", site.table("jobs")), 0);
    assert!(begun.elapsed() < TAKEN_OVER, "{:?}", begun.elapsed());
    for email in &all {
        let secrets = secrets(&strapi, &site.mails(), email);
        let requests = 1 + usize::from(unanswered.contains(email));
        assert!((1..=2 * requests).contains(&secrets.len()), "{email}: {} mails", secrets.len());
        let distinct: BTreeSet<&String> = secrets.iter().collect();
        assert!(distinct.len() <= requests, "{email}: one request, two secrets");
    }
}

/// Accepts every message but never replies to it.
fn never_reply(command: &str, _: &str) -> Option<String> {
    if command == "." {
        thread::sleep(Duration::from_secs(600));
    }
    None
}

fn jobs_of_a_killed_replica_are_mailed_again_with_the_same_secret(server: databases::DatabaseServer) {
    let Some(mut site) = Site::on(server) else { return };
    let folder = format!("file://{}", site.mails().display());
    let sink = Sink::start(Duration::ZERO, never_reply).unwrap();
    site.set("POLYRESET_MAIL_URL", &sink.url());
    let dying = site.deployments[2].start().unwrap();
    let all = addresses(60);
    site.add_accounts(&all);
    let clients = clients::all();
    for (email, client) in all.iter().zip(clients.iter().cycle()) {
        let response = http::send(dying.address, &client.request_for(email)).unwrap();
        assert!(response.status < 300, "{}", response.body);
    }
    // The mails are transferred, but the process gets no reply to them.
    let begun = Instant::now();
    while sink.letters().unwrap().len() < CONCURRENT_MAILS {
        assert!(begun.elapsed() < TIMEOUT, "no mail");
        thread::sleep(Duration::from_millis(5));
    }
    dying.kill();
    let claimed = site.number(&format!("SELECT COUNT(*) FROM {} WHERE stage >= 4", site.table("jobs")));
    assert!((4..60).contains(&claimed), "{claimed} jobs are claimed");
    let killed = Instant::now();

    site.set("POLYRESET_MAIL_URL", &folder);
    let _others = [site.deployments[0].start().unwrap(), site.deployments[1].start().unwrap()];
    let finished = format!("SELECT COUNT(*) FROM {} WHERE finished_at IS NOT NULL", site.table("jobs"));
    site.wait_for(&finished, 60);
    assert!(killed.elapsed() < TAKEN_OVER, "{:?}", killed.elapsed());

    let unconfirmed: Vec<ReceivedMail> = sink.letters().unwrap();
    for (email, client) in all.iter().zip(clients.iter().cycle()) {
        let mut received = secrets(client, &site.mails(), email);
        assert_eq!(received.len(), 1, "{email}");
        received.extend(
            unconfirmed
                .iter()
                .filter(|mail| mail.to == *email)
                .map(|mail| clients::secret_in(client, mail).unwrap()),
        );
        assert!(
            received.len() <= 2 && received.iter().all(|one| *one == received[0]),
            "{email}: {} mails",
            received.len()
        );
    }
    let is_resent = |mail: &&ReceivedMail| {
        let mut files = conformance::mails::all(&site.mails()).unwrap().into_iter();
        files.any(|file| file.to == mail.to && file.id == mail.id)
    };
    let resent = unconfirmed.iter().filter(is_resent).count();
    assert_eq!(resent, unconfirmed.len(), "each mail is sent again with the same Message-ID");
}
