//! Mails when one of the processes that send them dies.

use std::{
    collections::BTreeSet,
    fs, thread,
    time::{Duration, Instant},
};

use conformance::{
    databases,
    dialects::{DIALECTS, asked},
    http::post,
    mails::ReceivedMail,
    sink::Sink,
};

use crate::{
    TIMEOUT, on_each_engine,
    site::{Site, secrets},
};

on_each_engine! {
    sixty_accounts_get_their_mail_though_a_replica_is_killed_in_the_middle,
    what_a_dead_replica_held_is_mailed_again_with_the_same_secret,
}

/// Deliveries of one process at once over SMTP; `crates/reset-mail` sets it.
const AT_ONCE: usize = 4;

fn addresses(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("user{number}@example.com")).collect()
}

/// Lets the leases of the dead end, as two minutes would.
fn let_leases_end(site: &Site) {
    site.database.execute(&format!(
        "UPDATE {} SET due_at = 0 WHERE claimed AND finished_at IS NULL",
        site.table("jobs")
    ));
}

fn sixty_accounts_get_their_mail_though_a_replica_is_killed_in_the_middle(server: databases::DatabaseServer) {
    let Some(site) = Site::on(server) else { return };
    let [one, two, dying] = site.start();
    let all = addresses(60);
    site.add_accounts(&all);
    let strapi = &DIALECTS[2];
    let ask =
        |place, email: &str| post(place, strapi.ask, &asked(email)).is_ok_and(|answer| answer.status == 200);
    let places = [one.address, two.address, dying.address];
    // A third of the requests goes to each; the third dies when the first mails are out.
    let unanswered: BTreeSet<&String> = thread::scope(|scope| {
        let asking: Vec<_> = places
            .into_iter()
            .enumerate()
            .map(|(number, place)| {
                let mine: Vec<&String> = all.iter().skip(number).step_by(3).collect();
                scope.spawn(move || mine.into_iter().filter(|email| !ask(place, email)).collect::<Vec<_>>())
            })
            .collect();
        while fs::read_dir(site.mails()).map_or(0, Iterator::count) < 6 {
            thread::sleep(Duration::from_millis(1));
        }
        dying.kill();
        asking.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    // Whoever got no answer asks again, elsewhere.
    for email in &unanswered {
        assert!(ask(one.address, email));
    }
    // What the dead one did not hold is mailed at once.
    let jobs = site.table("jobs");
    site.wait_for(&format!("SELECT COUNT(*) FROM {jobs} WHERE finished_at IS NULL AND NOT claimed"), 0);
    let begun = Instant::now();
    let unfinished = format!("SELECT COUNT(*) FROM {jobs} WHERE finished_at IS NULL");
    while site.number(&unfinished) > 8 {
        assert!(begun.elapsed() < TIMEOUT, "more is held than one process takes");
        thread::sleep(Duration::from_millis(20));
    }
    let_leases_end(&site);
    site.wait_for(&unfinished, 0);
    for email in &all {
        let secrets = secrets(&site.mails(), email, strapi.secret);
        let asked = 1 + usize::from(unanswered.contains(email));
        assert!((1..=2 * asked).contains(&secrets.len()), "{email}: {} mails", secrets.len());
        let different: BTreeSet<&String> = secrets.iter().collect();
        assert!(different.len() <= asked, "{email}: one request, two secrets");
    }
}

/// Takes every message and never says so.
fn silent(command: &str, _: &str) -> Option<String> {
    if command == "." {
        thread::sleep(Duration::from_secs(600));
    }
    None
}

fn what_a_dead_replica_held_is_mailed_again_with_the_same_secret(server: databases::DatabaseServer) {
    let Some(mut site) = Site::on(server) else { return };
    let folder = format!("file://{}", site.mails().display());
    let sink = Sink::start(Duration::ZERO, silent).unwrap();
    site.set("POLYRESET_MAIL_URL", &sink.url());
    let dying = site.deployments[2].start().unwrap();
    let all = addresses(60);
    site.add_accounts(&all);
    for (number, email) in all.iter().enumerate() {
        let dialect = &DIALECTS[number % 4];
        let answer = post(dying.address, dialect.ask, &asked(email)).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    }
    // The mails have left; that they were taken, the process never hears.
    let begun = Instant::now();
    while sink.letters().unwrap().len() < AT_ONCE {
        assert!(begun.elapsed() < TIMEOUT, "no mail");
        thread::sleep(Duration::from_millis(5));
    }
    dying.kill();
    let held = site.number(&format!("SELECT COUNT(*) FROM {} WHERE claimed", site.table("jobs")));
    assert!((4..=8).contains(&held), "{held} jobs are held");

    site.set("POLYRESET_MAIL_URL", &folder);
    let _others = [site.deployments[0].start().unwrap(), site.deployments[1].start().unwrap()];
    let finished = format!("SELECT COUNT(*) FROM {} WHERE finished_at IS NOT NULL", site.table("jobs"));
    site.wait_for(&finished, 60 - held);
    let_leases_end(&site);
    site.wait_for(&finished, 60);

    let twice: Vec<ReceivedMail> = sink.letters().unwrap();
    for (number, email) in all.iter().enumerate() {
        let secret = DIALECTS[number % 4].secret;
        let mut got = secrets(&site.mails(), email, secret);
        assert_eq!(got.len(), 1, "{email}");
        got.extend(
            twice.iter().filter(|letter| letter.to == *email).map(|one| secret(one).unwrap().to_owned()),
        );
        assert!(got.len() <= 2 && got.iter().all(|one| *one == got[0]), "{email}: {} mails", got.len());
    }
    let again = |letter: &&ReceivedMail| {
        let mut files = conformance::mails::all(&site.mails()).unwrap().into_iter();
        files.any(|file| file.to == letter.to && file.id == letter.id)
    };
    assert_eq!(twice.iter().filter(again).count(), twice.len(), "the same Message-ID");
}
