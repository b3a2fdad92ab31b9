//! Group commit: what is durable, what fails alone, and what fails together.

use std::{
    pin::Pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
};

use diesel::{
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager},
    insert_into,
    prelude::*,
    result::QueryResult,
    sqlite::SqliteConnection,
};
use reset_core::ports::{Jobs, Store};

use super::{NOW, fresh, job, seen_from_outside, told};
use crate::{
    fault::DatabaseFault,
    sqlite::{
        Sqlite,
        connection::Role,
        queries::{jobs::insert_job, rows::NewJobRow},
        schema::jobs,
        threads::QUEUE,
    },
};

/// A task that keeps the writer busy until the returned sender is used, so that others pile up behind it.
fn gate() -> (mpsc::Sender<()>, impl FnOnce(&mut SqliteConnection) -> QueryResult<()> + Send + 'static) {
    let (open, gate) = mpsc::channel();
    let task = move |_: &mut SqliteConnection| {
        gate.recv().expect("the test opens the gate");
        Ok(())
    };
    (open, task)
}

fn insert(id: &'static str) -> impl FnOnce(&mut SqliteConnection) -> QueryResult<usize> + Send + 'static {
    let row = NewJobRow::from(&job(id));
    move |db| insert_job(db, &row)
}

#[tokio::test]
async fn what_waits_is_committed_together_and_a_failing_job_fails_alone() {
    let (store, directory) = fresh().await;
    let (open, gate) = gate();
    let twice = |db: &mut SqliteConnection| {
        insert("undone")(db)?;
        insert("one")(db)
    };
    let panicking = |db: &mut SqliteConnection| -> QueryResult<()> {
        insert("undone too")(db)?;
        panic!("on purpose")
    };
    let path = directory.path().join("reset.db");
    let last = move |_: &mut SqliteConnection| {
        let mut outside = Role::Reader.connect(&path).expect("a reader never waits for the writer");
        jobs::table.count().get_result::<i64>(&mut outside)
    };
    let writer = &store.writer;
    let (gated, one, twice, panicked, two, committed_before_last, ()) = tokio::join!(
        writer.run(gate),
        writer.run(insert("one")),
        writer.run(twice),
        writer.run(panicking),
        writer.run(insert("two")),
        writer.run(last),
        async { open.send(()).unwrap() },
    );
    assert_eq!((gated, one, two), (Ok(()), Ok(1), Ok(1)));
    assert_eq!(twice, Err(DatabaseFault::Refused("a value exists already")));
    assert_eq!(panicked, Err(DatabaseFault::Panicked));
    assert_eq!(committed_before_last, Ok(0), "all in one transaction");
    assert_eq!(seen_from_outside(&directory), ["one", "two"]);
}

#[tokio::test]
async fn when_sqlite_ends_the_transaction_everyone_in_it_is_told() {
    let (store, directory) = fresh().await;
    let (open, gate) = gate();
    // What SQLite does by itself on a full disk.
    let torn = |db: &mut SqliteConnection| db.batch_execute("ROLLBACK");
    let writer = &store.writer;
    let (gated, before, torn, after, ()) = tokio::join!(
        writer.run(gate),
        writer.run(insert("before")),
        writer.run(torn),
        writer.run(insert("after")),
        async { open.send(()).unwrap() },
    );
    assert!(gated.is_err() && before.is_err() && torn.is_err());
    assert_eq!(after, Ok(1), "in the next transaction");
    assert_eq!(seen_from_outside(&directory), ["after"]);
}

#[tokio::test]
async fn a_connection_beyond_repair_is_replaced() {
    let (store, directory) = fresh().await;
    let broken = |db: &mut SqliteConnection| {
        AnsiTransactionManager::transaction_manager_status_mut(db).set_in_error();
        Ok(())
    };
    assert!(store.writer.run(broken).await.is_err());
    store.push(&job("after")).await.unwrap();
    assert_eq!(seen_from_outside(&directory), ["after"]);
}

#[tokio::test]
async fn nobody_writes_between_a_jobs_reading_and_writing() {
    let (store, directory) = fresh().await;
    let mut outside = Role::Writer.connect(&directory.path().join("reset.db")).unwrap();
    outside.batch_execute("PRAGMA busy_timeout = 0").unwrap();
    let reads_then_writes = move |db: &mut SqliteConnection| {
        let before = jobs::table.count().get_result::<i64>(db)?;
        let refused = insert("theirs")(&mut outside).is_err();
        insert("ours")(db)?;
        Ok((before, refused))
    };
    assert_eq!(store.writer.run(reads_then_writes).await, Ok((0, true)));
    assert_eq!(seen_from_outside(&directory), ["ours"]);
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_accepted() {
    let (store, directory) = fresh().await;
    store.write(|db| db.batch_execute("PRAGMA max_page_count = 40")).await.unwrap();
    let (mut accepted, mut full) = (Vec::new(), None);
    for number in 0..2000 {
        let id = format!("job{number}");
        match store.push(&job(&id)).await {
            Ok(()) => accepted.push(id),
            Err(error) => {
                full = Some(told(&error));
                break;
            }
        }
    }
    assert!(full.unwrap().contains("database or disk is full"));
    assert_eq!(seen_from_outside(&directory), accepted);
    store.write(|db| db.batch_execute("PRAGMA max_page_count = 100000")).await.unwrap();
    store.push(&job("later")).await.unwrap();
    assert_eq!(seen_from_outside(&directory).len(), accepted.len() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_concurrent_pushes_none_is_lost() {
    let (store, directory) = fresh().await;
    let all: Vec<_> = (0..200)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.push(&job(&format!("job{number}"))).await })
        })
        .collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert_eq!(seen_from_outside(&directory).len(), 200);
}

#[tokio::test]
async fn a_full_queue_fails_at_once_and_who_goes_away_withdraws_what_has_not_begun() {
    let (store, directory) = fresh().await;
    let (open, gate) = gate();
    let (begin, started) = mpsc::channel();
    let gate = move |db: &mut SqliteConnection| {
        begin.send(()).expect("the test listens");
        gate(db)?;
        insert("begun")(db)
    };
    let mut context = Context::from_waker(Waker::noop());
    let mut poll =
        |task: Pin<&mut dyn Future<Output = Result<usize, DatabaseFault>>>| task.poll(&mut context);
    let mut gated = Box::pin(store.writer.run(gate));
    assert!(poll(gated.as_mut()).is_pending());
    started.recv().unwrap();
    for number in 0..QUEUE {
        let row = NewJobRow::from(&job(&format!("job{number}")));
        let mut task = Box::pin(store.writer.run(move |db| insert_into(jobs::table).values(row).execute(db)));
        assert!(poll(task.as_mut()).is_pending());
    }
    let mut one_more = Box::pin(store.writer.run(insert("more")));
    assert_eq!(poll(one_more.as_mut()), Poll::Ready(Err(DatabaseFault::Full)));
    drop(gated);
    open.send(()).unwrap();
    // Reads went on all the while; the next write comes after all of those.
    store.next_due().await.unwrap();
    while let Err(error) = store.push(&job("last")).await {
        assert!(told(&error).contains("too many tasks"), "{}", told(&error));
    }
    assert_eq!(seen_from_outside(&directory), ["begun", "last"]);
}

#[tokio::test]
async fn a_writer_of_another_process_is_waited_for() {
    let (store, directory) = fresh().await;
    let mut outside = Role::Writer.connect(&directory.path().join("reset.db")).unwrap();
    outside.batch_execute("BEGIN IMMEDIATE").unwrap();
    let ours = job("ours");
    let commit = async {
        // The push is queued by now. Reads do not wait.
        store.next_due().await.unwrap();
        insert("theirs")(&mut outside).unwrap();
        outside.batch_execute("COMMIT").unwrap();
    };
    let (pushed, ()) = tokio::join!(store.push(&ours), commit);
    pushed.unwrap();
    assert_eq!(seen_from_outside(&directory), ["theirs", "ours"]);
}

#[tokio::test]
async fn a_writer_that_never_ends_is_an_error_and_nothing_is_done() {
    let (store, directory) = fresh().await;
    store.write(|db| db.batch_execute("PRAGMA busy_timeout = 0")).await.unwrap();
    let mut outside = Role::Writer.connect(&directory.path().join("reset.db")).unwrap();
    outside.batch_execute("BEGIN IMMEDIATE").unwrap();
    let busy = told(&store.push(&job("refused")).await.unwrap_err());
    assert!(busy.contains("database is locked"), "{busy}");
    assert!(store.ready().await.is_err(), "who cannot accept is not ready");
    let all = [job("a"), job("b"), job("c")];
    let pushes = all.each_ref().map(|job| store.push(job));
    for push in pushes {
        assert!(push.await.is_err());
    }
    outside.batch_execute("ROLLBACK").unwrap();
    store.push(&job("accepted")).await.unwrap();
    assert_eq!(seen_from_outside(&directory), ["accepted"]);
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart_and_after_a_crash() {
    let (store, directory) = fresh().await;
    store.push(&job("one")).await.unwrap();
    // What a killed process leaves behind: the file and its log, nothing closed.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["reset.db", "reset.db-wal"] {
        std::fs::copy(directory.path().join(name), crashed.path().join(name)).unwrap();
    }
    drop(store);
    assert!(!directory.path().join("reset.db-wal").exists(), "closed in good order");
    for directory in [directory, crashed] {
        let again = Sqlite::open(&directory.path().join("reset.db")).await.unwrap();
        again.ready().await.unwrap();
        assert_eq!(again.claim(10, NOW, NOW).await.unwrap()[0].id.as_str(), "one");
    }
}
