//! Flows in which each step reaches another process.

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
    every_dialects_flow_works_with_each_step_at_another_process,
}

fn every_dialects_flow_works_with_each_step_at_another_process(server: databases::DatabaseServer) {
    let Some(site) = Site::on(server) else { return };
    // All three start at once on an empty database: one migrates, and all become ready.
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
            let response = post(at(2), dialect.reset, &body).unwrap();
            assert_eq!(response.status, 200, "{email}: {}", response.body);
            for step in 0..3 {
                let replay = post(at(step), dialect.reset, &body).unwrap();
                assert_eq!(replay.status, dialect.refused, "{email}: {}", replay.body);
            }
            for deployment in &site.deployments {
                assert!(deployment.accepts(&email, "New Password 1!").unwrap(), "{email}");
            }
        }
    }
    // Each job is done exactly once: per account, one mail with the secret and one notice.
    let unfinished = format!("SELECT COUNT(*) FROM {} WHERE finished_at IS NULL", site.table("jobs"));
    site.wait_for(&unfinished, 0);
    assert_eq!(conformance::mails::all(&site.mails()).unwrap().len(), 2 * 3 * DIALECTS.len());
}
