//! Flows in which each step reaches another process.

use conformance::{
    clients, databases,
    http::{self, get},
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
    let clients = clients::all();
    for (number, client) in clients.iter().enumerate() {
        for rotation in 0..3 {
            let at = |step: usize| servers[(rotation + step) % 3].address;
            let email = format!("{}{rotation}@example.com", client.dialect);
            site.deployments[(number + rotation) % 3].add_user(&email, "the old password").unwrap();

            let secret = secret(client, at(0), &site.mails(), &email);
            let secret = exchanged(client, at(1), &email, secret);
            let step = client.redeem_with(&secret, "New Password 1!");
            let response = http::send(at(2), &step).unwrap();
            assert!(response.is_success(), "{email}: {}", response.body);
            for hop in 0..3 {
                let replay = http::send(at(hop), &step).unwrap();
                assert_eq!(replay.status, client.refused, "{email}: {}", replay.body);
            }
            for deployment in &site.deployments {
                assert!(deployment.accepts(&email, "New Password 1!").unwrap(), "{email}");
            }
        }
    }
    // Each job is done exactly once: per account, one mail with the secret and one notice.
    let unfinished = format!("SELECT COUNT(*) FROM {} WHERE finished_at IS NULL", site.table("jobs"));
    site.wait_for(&unfinished, 0);
    assert_eq!(conformance::mails::all(&site.mails()).unwrap().len(), 2 * 3 * clients.len());
}
