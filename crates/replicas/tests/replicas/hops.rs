//! A flow whose every step meets another process.

use conformance::{
    databases,
    dialects::DIALECTS,
    http::{get, post},
};

use crate::{
    on_each_engine,
    site::{Site, exchanged, secret},
};

on_each_engine! {
    each_dialects_whole_flow_hops_between_three_processes_in_every_rotation,
}

fn each_dialects_whole_flow_hops_between_three_processes_in_every_rotation(
    server: databases::DatabaseServer,
) {
    let Some(site) = Site::on(server) else { return };
    // On an empty database, all at once: one migrates, and all come up.
    let servers = site.start();
    for server in &servers {
        assert_eq!(get(server.address, "/readyz").unwrap().status, 200);
    }
    for (number, dialect) in DIALECTS.iter().enumerate() {
        for rotation in 0..3 {
            let at = |step: usize| servers[(rotation + step) % 3].address;
            let email = format!("{}{rotation}@example.com", dialect.name);
            site.deployments[(number + rotation) % 3].add_user(&email, "the old password").unwrap();

            let secret = secret(dialect, at(0), &site.mails(), &email);
            let secret = exchanged(dialect, at(1), &email, secret);
            let body = (dialect.body)(&secret, "New Password 1!");
            let answer = post(at(2), dialect.reset, &body).unwrap();
            assert_eq!(answer.status, 200, "{email}: {}", answer.body);
            for step in 0..3 {
                let replay = post(at(step), dialect.reset, &body).unwrap();
                assert_eq!(replay.status, dialect.refused, "{email}: {}", replay.body);
            }
            for deployment in &site.deployments {
                assert!(deployment.accepts(&email, "New Password 1!").unwrap(), "{email}");
            }
        }
    }
    // Every job was done by one worker, once: a mail with the secret and a notice for each account.
    let unfinished = format!("SELECT COUNT(*) FROM {} WHERE finished_at IS NULL", site.table("jobs"));
    site.wait_for(&unfinished, 0);
    assert_eq!(conformance::mails::all(&site.mails()).unwrap().len(), 2 * 3 * DIALECTS.len());
}
