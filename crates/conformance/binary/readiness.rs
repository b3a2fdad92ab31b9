//! Readiness, and what the start and `doctor` find wrong with the database file and its secret.

use std::{fs, thread, time::Instant};

use conformance::{
    http::{self, get},
    server::{Server, TestDeployment},
};

use super::{TIMEOUT, deployment, px0};

fn until_status(server: &Server, status: u16) -> String {
    let started = Instant::now();
    loop {
        let response = get(server.address, "/readyz").unwrap();
        if response.status == status {
            return response.body;
        }
        assert!(started.elapsed() < TIMEOUT, "/readyz stays {}", response.status);
        thread::sleep(std::time::Duration::from_millis(100));
    }
}

fn doctor(deployment: &TestDeployment) -> (bool, String) {
    let output = deployment.run(&["doctor"], "").unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn server_whose_database_file_was_deleted_is_not_ready() {
    let (deployment, folder) = deployment();
    let server = deployment.start().unwrap();
    until_status(&server, 200);
    let aside = folder.path().join("aside.db");
    fs::rename(deployment.database(), &aside).unwrap();
    let body = until_status(&server, 503);
    assert!(body.contains(r#""database":"unavailable""#), "{body}");
    let log = deployment.logged();
    assert!(log.contains("not ready") && log.contains("deleted while it was open"), "{log}");
    fs::rename(aside, deployment.database()).unwrap();
    until_status(&server, 200);
}

#[test]
fn many_readiness_requests_cost_the_database_little() {
    let (deployment, _folder) = deployment();
    let server = deployment.start().unwrap();
    let wal = deployment.database().with_extension("db-wal");
    until_status(&server, 200);
    let (before, started) = (fs::metadata(&wal).unwrap().len(), Instant::now());
    for _ in 0..2000 {
        assert_eq!(get(server.address, "/readyz").unwrap().status, 200);
    }
    let checks = started.elapsed().as_secs() + 2;
    // A check writes a page or two, and the background tasks write nothing without events.
    let grown = (fs::metadata(&wal).unwrap().len().saturating_sub(before)) / 4096;
    assert!(grown <= 8 * checks, "{grown} pages in {:?}", started.elapsed());
}

#[test]
fn start_creates_a_database_with_a_warning_and_only_once() {
    let (deployment, _folder) = deployment();
    let created = || deployment.logged().matches("created a new database at ").count();
    deployment.start().unwrap().terminate().unwrap();
    assert_eq!(created(), 1);
    deployment.start().unwrap().terminate().unwrap();
    assert_eq!(created(), 1);
}

#[test]
fn missing_secret_beside_a_used_database_stops_the_start() {
    let (deployment, folder) = deployment();
    let (secret, aside) = (folder.path().join("reset.secret"), folder.path().join("aside"));
    let server = deployment.start().unwrap();
    http::send(server.address, &px0().request_for("ghost@example.com")).unwrap();
    server.terminate().unwrap();
    fs::rename(&secret, &aside).unwrap();
    let error = deployment.start().err().unwrap().to_string();
    assert!(error.contains("reset.secret is missing") && error.contains("restore the file"), "{error}");
    let (healthy, said) = doctor(&deployment);
    assert!(!healthy && said.contains("FAIL  secret: the secret "), "{said}");
    assert!(!secret.exists(), "no secret was created");
    fs::rename(&aside, &secret).unwrap();
    deployment.start().unwrap().terminate().unwrap();
}

#[test]
fn doctor_finds_a_damaged_database_file() {
    let (deployment, _folder) = deployment();
    deployment.add_user("user@example.com", "the old password").unwrap();
    deployment.start().unwrap().terminate().unwrap();
    let (healthy, said) = doctor(&deployment);
    assert!(healthy && said.contains("ok    database: intact"), "{said}");
    let mut bytes = fs::read(deployment.database()).unwrap();
    for page in bytes.chunks_mut(4096).skip(2) {
        page[..64].fill(0xA5);
    }
    fs::write(deployment.database(), bytes).unwrap();
    let (healthy, said) = doctor(&deployment);
    assert!(!healthy && said.contains("FAIL  database: ") && said.contains("restore a backup"), "{said}");
}
