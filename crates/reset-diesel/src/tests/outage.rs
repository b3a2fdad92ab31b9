//! A server that goes away and comes back.

use std::time::{Duration, Instant};

use super::{Server, at, errand, on_each_server, told};

on_each_server! {
    cut_connections_are_replaced_and_nobody_notices,
    errors_name_the_kind_and_no_value,
}

async fn cut_connections_are_replaced_and_nobody_notices(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let store = fresh.database().open().await.unwrap();
    for round in 0..5 {
        for number in 0..8 {
            store.push(&errand(&format!("errand{round}x{number}"))).await.unwrap();
            store.next_due().await.unwrap();
        }
        fresh.cut();
        store.ready().await.unwrap();
    }
    assert_eq!(store.claim(100, at(0), at(1)).await.unwrap().len(), 40);
}

async fn errors_name_the_kind_and_no_value(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let store = fresh.database().open().await.unwrap();
    store.push(&errand("one")).await.unwrap();
    let twice = told(&store.push(&errand("one")).await.unwrap_err());
    assert!(twice.contains("a value exists already"), "{twice}");
    assert!(!twice.contains("canary") && !twice.contains("errands"), "{twice}");
}

/// A server of nobody: refused at once, and said so.
#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_at_once_and_without_the_password() {
    for scheme in ["postgres", "mysql"] {
        let began = Instant::now();
        let database = crate::Database::at(&format!("{scheme}://u:hunter2@127.0.0.1:1/x")).unwrap();
        let said = told(&database.open().await.err().unwrap());
        assert!(said.to_lowercase().contains("connection refused") && !said.contains("hunter2"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}
