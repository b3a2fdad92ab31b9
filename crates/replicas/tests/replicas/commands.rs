//! Commands of the operator on a shared database.

use std::{process::Output, thread};

use conformance::databases;

use crate::{on_each_engine, site::Site};

on_each_engine! {
    serve_rejects_an_outdated_schema_and_eight_concurrent_migrations_apply_it_once,
    schema_of_a_newer_version_is_rejected_by_every_command,
    doctor_reports_no_failure_after_migration,
    any_replica_adds_verifies_and_blocks_accounts,
}

fn result(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8(text).unwrap().trim().to_owned())
}

fn serve_rejects_an_outdated_schema_and_eight_concurrent_migrations_apply_it_once(
    server: databases::DatabaseServer,
) {
    let Some(mut site) = Site::on(server) else { return };
    site.set("POLYRESET_DATABASE__AUTO_MIGRATE", "false");
    for deployment in &site.deployments {
        let (code, text) = result(&deployment.run(&["serve"], "").unwrap());
        assert_eq!(
            (code, text.as_str()),
            (
                Some(1),
                "error: database migrations are pending: run the command `migrate`, or set database.auto_migrate \
                 (POLYRESET_DATABASE__AUTO_MIGRATE=true)"
            )
        );
        let (code, text) = result(&deployment.run(&["migrate", "--check"], "").unwrap());
        assert!(code == Some(1) && text.starts_with("error: migrations are pending: "), "{text}");
    }
    let outcomes: Vec<(Option<i32>, String)> = thread::scope(|scope| {
        let deployments = site.deployments.iter().cycle().take(8);
        let running: Vec<_> =
            deployments.map(|one| scope.spawn(|| result(&one.run(&["migrate"], "").unwrap()))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(outcomes.iter().all(|(code, _)| *code == Some(0)), "{outcomes:?}");
    let applied = outcomes.iter().filter(|(_, text)| text.starts_with("applied ")).count();
    assert_eq!(applied, 1, "{outcomes:?}");
    for deployment in &site.deployments {
        assert_eq!(result(&deployment.run(&["migrate", "--check"], "").unwrap()).0, Some(0));
    }
    site.start();
}

fn schema_of_a_newer_version_is_rejected_by_every_command(server: databases::DatabaseServer) {
    let Some(site) = Site::on(server) else { return };
    let [one, two, three] = &site.deployments;
    assert_eq!(result(&one.run(&["migrate"], "").unwrap()).0, Some(0));
    let running = two.start().unwrap();
    site.database
        .execute(&format!("INSERT INTO {} (version) VALUES ('20990101000000')", site.table("migrations")));
    let newer = "the schema is from a newer version of polyreset (migration 20990101000000)";
    for command in
        [&["serve"][..], &["migrate"], &["migrate", "--check"], &["user", "block", "ann@example.com"]]
    {
        let (code, text) = result(&three.run(command, "").unwrap());
        assert!(
            code == Some(1) && text.contains(newer) && text.contains("docs/upgrade.md"),
            "{command:?}: {text}"
        );
    }
    let (code, text) = result(&three.run(&["doctor"], "").unwrap());
    assert!(code == Some(1) && text.contains(&format!("FAIL  database: database_url: {newer}")), "{text}");
    let ready = conformance::http::get(running.address, "/readyz").unwrap();
    assert_eq!(ready.status, 200, "a server that runs already keeps working: {}", ready.body);
}

fn doctor_reports_no_failure_after_migration(server: databases::DatabaseServer) {
    let Some(site) = Site::on(server) else { return };
    let (code, text) = result(&site.deployments[0].run(&["doctor"], "").unwrap());
    let fix = text.lines().any(|line| line.starts_with("FAIL  database: ") && line.contains("migrate"));
    assert!(code == Some(1) && fix, "{text}");
    assert_eq!(result(&site.deployments[0].run(&["migrate"], "").unwrap()).0, Some(0));
    for deployment in &site.deployments {
        let (code, text) = result(&deployment.run(&["doctor"], "").unwrap());
        assert!(
            code == Some(0) && text.lines().all(|line| line.starts_with("ok ") || line.starts_with("WARN  ")),
            "{text}"
        );
        for subject in ["settings", "secret", "database", "public_url", "mail"] {
            assert!(text.lines().any(|line| line[6..].starts_with(subject)), "{subject}: {text}");
        }
    }
}

fn any_replica_adds_verifies_and_blocks_accounts(server: databases::DatabaseServer) {
    let Some(site) = Site::on(server) else { return };
    let [one, two, three] = &site.deployments;
    let code = |output: std::io::Result<Output>| output.unwrap().status.code();
    let run = |deployment: &conformance::server::TestDeployment, args: &[&str], stdin: &str| {
        code(deployment.run(args, stdin).map_err(std::io::Error::other))
    };
    assert_eq!(run(one, &["migrate"], ""), Some(0));
    one.add_user("Ann@Example.com", "correct horse").unwrap();
    assert!(two.accepts("ann@example.com", "correct horse").unwrap());
    assert!(!three.accepts("ann@example.com", "wrong horse").unwrap());
    let add = ["user", "add", "ann@EXAMPLE.com", "--password-stdin"];
    let (_, text) = result(&two.run(&add, "x").unwrap());
    assert!(text.contains("already exists") && text.lines().count() == 1, "{text}");
    assert_eq!(run(three, &["user", "verify", "ghost@example.com", "--password-stdin"], "x"), Some(2));
    assert_eq!(run(two, &["user", "block", "ann@example.com"], ""), Some(0));
    let blocked = format!("SELECT COUNT(*) FROM {} WHERE blocked", site.table("users"));
    assert_eq!(site.number(&blocked), 1);
    assert_eq!(run(three, &["user", "unblock", "ANN@example.com"], ""), Some(0));
    assert_eq!(site.number(&blocked), 0);
    assert_ne!(run(one, &["user", "block", "ghost@example.com"], ""), Some(0));
}
