//! A node of a Galera cluster is isolated, frozen and killed under load: nothing acknowledged is lost, and the service goes
//! on at the other nodes.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    thread,
    time::{Duration, Instant},
};

use conformance::{
    clients::{self, Client},
    databases::DatabaseServer,
    galera::{self, GaleraCluster},
    http,
    server::Server,
};

use crate::{
    TIMEOUT,
    site::{Site, mailed},
    sql,
};

/// Number of prepared resets in each phase.
const RESETS: usize = 45;
/// Number of requests that each replica acknowledges before the fault, and again when it is ready.
const BEFORE: i64 = 5;
/// Duration of a fault that is undone. The cluster expels a silent node after six seconds.
const FAULT: Duration = Duration::from_secs(9);
/// Maximum time after the begin of a fault until every replica is ready, also the one at the node that failed: the
/// cluster expels the node, the replica's statement times out, and the replica connects to the next node.
const RECOVERY: Duration = Duration::from_secs(25);

#[test]
fn isolated_frozen_and_killed_nodes_lose_nothing_acknowledged_and_the_service_goes_on() {
    // The variable says that Galera is installed. The nodes of that cluster are shared, so this test has its own.
    if galera::urls().is_none() {
        return;
    }
    let mut cluster = GaleraCluster::start().unwrap();
    let urls = cluster.urls();
    let Some(mut site) = Site::on_nodes(&urls) else { return };
    site.set("POLYRESET_DATABASE__CONNECT_TIMEOUT", "2s");
    site.set("POLYRESET_DATABASE__STATEMENT_TIMEOUT", "3s");
    let servers = site.start();

    let isolate = |on: u8| {
        let statement = format!("SET GLOBAL wsrep_provider_options = 'gmcast.isolate={on}'");
        sql::execute(DatabaseServer::Mariadb, &format!("{}mysql", urls[2]), &statement);
    };
    phase(&site, &servers, "isolated", || {
        isolate(1);
        thread::sleep(FAULT);
    });
    isolate(0);
    wait_until_whole(&urls);

    phase(&site, &servers, "frozen", || {
        cluster.freeze(1);
        thread::sleep(FAULT);
    });
    cluster.thaw(1);
    wait_until_whole(&urls);

    // The last phase: the node does not come back. The database is created and dropped through the first node.
    phase(&site, &servers, "killed", || cluster.kill(1));
    drop(servers);
    drop(site);
}

/// Ends the requests when it is dropped, also when an assertion fails.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs requests and resets at all three replicas, causes a fault in the middle of them, and checks the outcome while the
/// fault lasts.
fn phase(site: &Site, servers: &[Server; 3], name: &str, fault: impl FnOnce()) {
    // The resets use one dialect and the requests the others, so that no request ends a prepared ticket.
    let strapi = clients::named("strapi");
    let others: Vec<Client> = clients::all().into_iter().filter(|client| *client != strapi).collect();
    let owner = |number: usize| format!("{name}{number}@example.com");
    let emails: Vec<String> = (0..RESETS).map(owner).collect();
    site.add_accounts(&emails);
    for (number, email) in emails.iter().enumerate() {
        let response = http::send(servers[number % 3].address, &strapi.request_for(email)).unwrap();
        assert!(response.status < 300, "{name}: {} {}", response.status, response.body);
    }
    let secrets: Vec<String> = emails.iter().map(|email| mailed(&strapi, &site.mails(), email)).collect();

    // Acknowledged requests of each replica.
    let (finished, accepted) = (AtomicBool::new(false), [const { AtomicI64::new(0) }; 3]);
    let request = |replica: usize| {
        for number in 0.. {
            if finished.load(Ordering::Relaxed) {
                break;
            }
            let client = &others[number % others.len()];
            let step = client.request_for(&format!("{name}-{replica}-{number}@example.com"));
            let response = http::send(servers[replica].address, &step);
            if response.is_ok_and(|response| response.status < 300) {
                accepted[replica].fetch_add(1, Ordering::Relaxed);
            }
            thread::sleep(Duration::from_millis(20));
        }
    };
    let accept_more = |more: i64| {
        let (begun, before) = (Instant::now(), accepted.each_ref().map(|one| one.load(Ordering::Relaxed)));
        while (0..3).any(|replica| accepted[replica].load(Ordering::Relaxed) < before[replica] + more) {
            assert!(begun.elapsed() < TIMEOUT, "{name}: {accepted:?}, before {before:?}");
            thread::sleep(Duration::from_millis(5));
        }
    };
    let reset = |replica: usize| {
        let mut changed = BTreeSet::new();
        for number in (replica..RESETS).step_by(3) {
            let step = strapi.redeem_with(&secrets[number], "New Password 1!");
            if http::send(servers[replica].address, &step).is_ok_and(|response| response.status == 200) {
                changed.insert(number);
            }
            thread::sleep(Duration::from_millis(150));
        }
        changed
    };
    let (changed, ready_after) = thread::scope(|scope| {
        let (request, reset, finish) = (&request, &reset, Finish(&finished));
        let requesting: Vec<_> = (0..3).map(|replica| scope.spawn(move || request(replica))).collect();
        accept_more(BEFORE);
        let resetting: Vec<_> = (0..3).map(|replica| scope.spawn(move || reset(replica))).collect();
        thread::sleep(Duration::from_millis(500));
        let failing = Instant::now();
        fault();
        for server in servers {
            while http::get(server.address, "/readyz").map_or(true, |response| response.status != 200) {
                assert!(failing.elapsed() < RECOVERY, "{name}: {}", site.deployments[0].logged());
                thread::sleep(Duration::from_millis(50));
            }
        }
        let ready_after = failing.elapsed();
        // All three replicas go on, also the one whose node failed.
        accept_more(BEFORE);
        let changed: BTreeSet<usize> = resetting.into_iter().flat_map(|one| one.join().unwrap()).collect();
        drop(finish);
        for one in requesting {
            one.join().unwrap();
        }
        (changed, ready_after)
    });
    let accepted = accepted.map(AtomicI64::into_inner);
    println!(
        "{name}: ready after {ready_after:?}; accepted {accepted:?}; {} of {RESETS} resets",
        changed.len()
    );

    // Every acknowledged request has its row, and every acknowledged reset its password.
    let jobs = format!("SELECT COUNT(*) FROM {} WHERE email LIKE '{name}-%'", site.table("jobs"));
    let stored = site.number(&jobs);
    let total: i64 = accepted.iter().sum();
    assert!(stored >= total, "{name}: {total} requests are acknowledged, {stored} are stored");
    for number in &changed {
        let of_owner = format!(
            "SELECT COUNT(*) FROM {} WHERE email = '{}' AND credential_epoch = 1",
            site.table("users"),
            owner(*number)
        );
        assert_eq!(site.number(&of_owner), 1, "{name}: an acknowledged reset is lost");
    }
    assert!(changed.len() > RESETS / 3, "{name}: {} resets succeeded", changed.len());
    // Every mail is sent, with the leases of a replica that lost its node expired.
    site.database.execute(&format!("UPDATE {} SET due_at = 0 WHERE stage >= 4", site.table("jobs")));
    site.wait_for(&format!("SELECT COUNT(*) FROM {} WHERE finished_at IS NULL", site.table("jobs")), 0);
}

/// Waits until every node is ready and sees all three.
fn wait_until_whole(urls: &[String]) {
    let size = "SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM information_schema.GLOBAL_STATUS \
                WHERE VARIABLE_NAME = 'wsrep_cluster_size'";
    let ready = "SELECT VARIABLE_VALUE = 'ON' FROM information_schema.GLOBAL_STATUS \
                 WHERE VARIABLE_NAME = 'wsrep_ready'";
    let begun = Instant::now();
    for url in urls {
        let url = format!("{url}mysql");
        while sql::number_if_any(&url, size) != Some(3) || sql::number_if_any(&url, ready) != Some(1) {
            assert!(begun.elapsed() < TIMEOUT, "the cluster is not whole again");
            thread::sleep(Duration::from_millis(100));
        }
    }
}
