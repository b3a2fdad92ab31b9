//! An axum, an actix and a warp process, each at another node of a three-node Galera cluster.

use std::thread;

use conformance::{clients, galera, http, server::TestDeployment};

use crate::{
    races::{check_three_guesses, check_two_hundred_resets},
    site::{Site, exchanged, secret},
    sql,
};

fn site() -> Option<Site> {
    Site::on_nodes(&galera::urls()?)
}

#[test]
fn exactly_one_of_two_hundred_resets_through_three_nodes_succeeds_and_none_is_a_server_error() {
    if let Some(site) = site() {
        check_two_hundred_resets(&site);
    }
}

#[test]
fn three_nodes_together_evaluate_only_three_guesses_and_none_is_a_server_error() {
    if let Some(site) = site() {
        check_three_guesses(&site);
    }
}

#[test]
fn migrations_through_three_nodes_at_once_succeed_and_one_of_them_applies_the_schema() {
    for _ in 0..3 {
        let Some(site) = site() else { return };
        let migrate = |deployment: &TestDeployment| {
            let output = deployment.run(&["migrate"], "").unwrap();
            (
                output.status.code(),
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
            )
        };
        let outcomes: Vec<(Option<i32>, String)> = thread::scope(|scope| {
            let running: Vec<_> =
                site.deployments.iter().map(|one| scope.spawn(move || migrate(one))).collect();
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(outcomes.iter().all(|(code, _)| *code == Some(0)), "{outcomes:?}");
        let applied = outcomes.iter().filter(|(_, text)| text.contains("applied ")).count();
        assert_eq!(applied, 1, "{outcomes:?}");
        for deployment in &site.deployments {
            let check = deployment.run(&["migrate", "--check"], "").unwrap();
            assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));
        }
    }
}

/// Three nodes end different tickets of one dialect at the same time. A unique key with a column that is NULL in all of
/// them would make these transactions conflict.
#[test]
fn tickets_that_end_at_three_nodes_at_once_do_not_conflict() {
    let Some(urls) = galera::urls() else { return };
    let Some(site) = Site::on_nodes(&urls) else { return };
    assert_eq!(site.deployments[0].run(&["migrate"], "").unwrap().status.code(), Some(0));
    let rows: Vec<String> = (0..600)
        .map(|number| {
            format!(
                "('t{number}', 'a{number}', 'px0', 'code', UNHEX(SHA2('{number}', 256)), 'e', 0, 't{number}', 1, 0, 0, 0, 9)"
            )
        })
        .collect();
    site.database.execute(&format!(
        "INSERT INTO polyreset_tickets (id, account, dialect, kind, digest, email, epoch, job, job_seq, nonce, \
         issued_at, minted_at, expires_at) VALUES {}",
        rows.join(", ")
    ));
    let errors: Vec<String> = thread::scope(|scope| {
        let ending: Vec<_> = (0..3)
            .map(|node| {
                let statements: Vec<String> = (node..600)
                    .step_by(3)
                    .map(|number| format!("UPDATE polyreset_tickets SET spent_at = 1 WHERE id = 't{number}'"))
                    .collect();
                let url = format!("{}{}", urls[node], site.database.name());
                scope.spawn(move || sql::errors(&url, &statements))
            })
            .collect();
        ending.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    // Locks of neighbouring rows conflict now and then; with such a key, every third transaction does.
    assert!(errors.len() <= 12, "{} of 600: {}", errors.len(), errors[0]);
}

/// Each account's code is exchanged at one node, and its token is used at the next node at once, while the other
/// accounts keep the cluster busy.
#[test]
fn token_of_one_node_is_valid_at_another_node_at_once() {
    let Some(site) = site() else { return };
    let servers = site.start();
    let insforge = clients::named("insforge");
    let emails: Vec<String> = (0..45).map(|number| format!("user{number}@example.com")).collect();
    site.add_accounts(&emails);
    let reset = |thread: usize| {
        for (number, email) in emails.iter().enumerate().skip(thread).step_by(3) {
            let [at, next] =
                [number / 3 + thread, number / 3 + thread + 1].map(|node| servers[node % 3].address);
            let code = secret(&insforge, at, &site.mails(), email);
            let token = exchanged(&insforge, at, email, code);
            let response = http::send(next, &insforge.redeem_with(&token, "New Password 1!")).unwrap();
            assert!(response.is_success(), "{}: {}", response.status, response.body);
        }
    };
    thread::scope(|scope| {
        for thread in 0..3 {
            scope.spawn(move || reset(thread));
        }
    });
}
