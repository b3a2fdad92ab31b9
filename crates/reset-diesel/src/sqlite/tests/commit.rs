//! Group commit: durability, tasks that fail alone, and batches that fail together.

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

use super::{NOW, committed_jobs, error_chain, fresh, job};
use crate::{
    fault::DatabaseFault,
    server::GroupTask,
    sqlite::{
        Sqlite,
        connection::Role,
        queries::{rows::NewJobRow, statements::insert_job},
        schema::jobs,
        threads::QUEUE,
    },
};

/// Returns a task that blocks the writer until the returned sender is used, so that other tasks are queued behind it.
fn blocker() -> (mpsc::Sender<()>, impl FnOnce(&mut SqliteConnection) -> QueryResult<()> + Send + 'static) {
    let (unblock, unblocked) = mpsc::channel();
    let task = move |_: &mut SqliteConnection| {
        unblocked.recv().expect("the test unblocks the writer");
        Ok(())
    };
    (unblock, task)
}

fn insert(id: &'static str) -> impl FnOnce(&mut SqliteConnection) -> QueryResult<usize> + Send + 'static {
    let row = NewJobRow::from(&job(id));
    move |db| insert_job(db, &row)
}

#[tokio::test]
async fn queued_tasks_are_committed_together_and_a_failing_task_fails_alone() {
    let (store, directory) = fresh().await;
    let (unblock, blocker) = blocker();
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
        let mut outside = Role::Reader.connect(&path).expect("a reader does not wait for the writer");
        jobs::table.count().get_result::<i64>(&mut outside)
    };
    let writer = &store.writer;
    let (first, one, twice, panicked, two, committed_before_last, ()) = tokio::join!(
        writer.run(blocker),
        writer.run(insert("one")),
        writer.run(twice),
        writer.run(panicking),
        writer.run(insert("two")),
        writer.run(last),
        async { unblock.send(()).unwrap() },
    );
    assert_eq!((first, one, two), (Ok(()), Ok(1), Ok(1)));
    assert_eq!(twice, Err(DatabaseFault::Rejected("a value exists already")));
    assert_eq!(panicked, Err(DatabaseFault::Panicked));
    assert_eq!(committed_before_last, Ok(0), "all tasks run in one transaction");
    assert_eq!(committed_jobs(&directory), ["one", "two"]);
}

/// A job to insert. Returns how many were inserted together.
#[derive(Clone)]
struct GroupedInsert(&'static str);

impl GroupTask<SqliteConnection> for GroupedInsert {
    type Output = usize;

    fn run(db: &mut SqliteConnection, group: &[Self]) -> QueryResult<Vec<usize>> {
        for Self(id) in group {
            insert(id)(db)?;
        }
        Ok(vec![group.len(); group.len()])
    }
}

#[tokio::test]
async fn queued_tasks_of_one_kind_run_together() {
    let (store, directory) = fresh().await;
    let (unblock, blocker) = blocker();
    let writer = &store.writer;
    let (_, one, other, two, ()) = tokio::join!(
        writer.run(blocker),
        writer.run_grouped(GroupedInsert("one")),
        writer.run(insert("other")),
        writer.run_grouped(GroupedInsert("two")),
        async { unblock.send(()).unwrap() },
    );
    assert_eq!((one, other, two), (Ok(2), Ok(1), Ok(2)));
    assert_eq!(committed_jobs(&directory), ["one", "two", "other"]);
}

#[tokio::test]
async fn task_that_fails_in_a_group_fails_alone() {
    let (store, directory) = fresh().await;
    let (unblock, blocker) = blocker();
    let writer = &store.writer;
    let (_, one, same, two, ()) = tokio::join!(
        writer.run(blocker),
        writer.run_grouped(GroupedInsert("one")),
        writer.run_grouped(GroupedInsert("one")),
        writer.run_grouped(GroupedInsert("two")),
        async { unblock.send(()).unwrap() },
    );
    assert_eq!((one, two), (Ok(1), Ok(1)), "each ran by itself");
    assert_eq!(same, Err(DatabaseFault::Rejected("a value exists already")));
    assert_eq!(committed_jobs(&directory), ["one", "two"]);
}

#[tokio::test]
async fn every_task_of_a_batch_fails_when_sqlite_rolls_it_back() {
    let (store, directory) = fresh().await;
    let (unblock, blocker) = blocker();
    // SQLite does the same by itself on a full disk.
    let rollback = |db: &mut SqliteConnection| db.batch_execute("ROLLBACK");
    let writer = &store.writer;
    let (first, before, rolled_back, after, ()) = tokio::join!(
        writer.run(blocker),
        writer.run(insert("before")),
        writer.run(rollback),
        writer.run(insert("after")),
        async { unblock.send(()).unwrap() },
    );
    assert!(first.is_err() && before.is_err() && rolled_back.is_err());
    assert_eq!(after, Ok(1), "in the next transaction");
    assert_eq!(committed_jobs(&directory), ["after"]);
}

#[tokio::test]
async fn broken_connection_is_replaced() {
    let (store, directory) = fresh().await;
    let break_connection = |db: &mut SqliteConnection| {
        AnsiTransactionManager::transaction_manager_status_mut(db).set_in_error();
        Ok(())
    };
    assert!(store.writer.run(break_connection).await.is_err());
    store.push(&job("after")).await.unwrap();
    assert_eq!(committed_jobs(&directory), ["after"]);
}

#[tokio::test]
async fn other_processes_cannot_write_between_a_tasks_read_and_write() {
    let (store, directory) = fresh().await;
    let mut outside = Role::Writer.connect(&directory.path().join("reset.db")).unwrap();
    outside.batch_execute("PRAGMA busy_timeout = 0").unwrap();
    let reads_then_writes = move |db: &mut SqliteConnection| {
        let before = jobs::table.count().get_result::<i64>(db)?;
        let failed = insert("theirs")(&mut outside).is_err();
        insert("ours")(db)?;
        Ok((before, failed))
    };
    assert_eq!(store.writer.run(reads_then_writes).await, Ok((0, true)));
    assert_eq!(committed_jobs(&directory), ["ours"]);
}

#[tokio::test]
async fn full_disk_loses_no_accepted_job() {
    let (store, directory) = fresh().await;
    store.write(|db| db.batch_execute("PRAGMA max_page_count = 40")).await.unwrap();
    let (mut accepted, mut full) = (Vec::new(), None);
    for number in 0..2000 {
        let id = format!("job{number}");
        match store.push(&job(&id)).await {
            Ok(()) => accepted.push(id),
            Err(error) => {
                full = Some(error_chain(&error));
                break;
            }
        }
    }
    assert!(full.unwrap().contains("database or disk is full"));
    assert_eq!(committed_jobs(&directory), accepted);
    store.write(|db| db.batch_execute("PRAGMA max_page_count = 100000")).await.unwrap();
    store.push(&job("later")).await.unwrap();
    assert_eq!(committed_jobs(&directory).len(), accepted.len() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_concurrent_pushes_are_all_stored() {
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
    assert_eq!(committed_jobs(&directory).len(), 200);
}

#[tokio::test]
async fn full_queue_fails_at_once_and_tasks_of_gone_callers_are_not_started() {
    let (store, directory) = fresh().await;
    let (unblock, blocker) = blocker();
    let (start, started) = mpsc::channel();
    let blocking_insert = move |db: &mut SqliteConnection| {
        start.send(()).expect("the test waits for the start");
        blocker(db)?;
        insert("started")(db)
    };
    let mut context = Context::from_waker(Waker::noop());
    let mut poll =
        |task: Pin<&mut dyn Future<Output = Result<usize, DatabaseFault>>>| task.poll(&mut context);
    let mut running = Box::pin(store.writer.run(blocking_insert));
    assert!(poll(running.as_mut()).is_pending());
    started.recv().unwrap();
    for number in 0..QUEUE {
        let row = NewJobRow::from(&job(&format!("job{number}")));
        let mut task = Box::pin(store.writer.run(move |db| insert_into(jobs::table).values(row).execute(db)));
        assert!(poll(task.as_mut()).is_pending());
    }
    let mut one_more = Box::pin(store.writer.run(insert("more")));
    assert_eq!(poll(one_more.as_mut()), Poll::Ready(Err(DatabaseFault::Full)));
    drop(running);
    unblock.send(()).unwrap();
    // Reads are not blocked. The next write runs after all queued ones.
    store.oldest_waiting().await.unwrap();
    while let Err(error) = store.push(&job("last")).await {
        assert!(error_chain(&error).contains("too many tasks"), "{}", error_chain(&error));
    }
    assert_eq!(committed_jobs(&directory), ["started", "last"]);
}

#[tokio::test]
async fn push_waits_for_a_writer_of_another_process() {
    let (store, directory) = fresh().await;
    let mut outside = Role::Writer.connect(&directory.path().join("reset.db")).unwrap();
    outside.batch_execute("BEGIN IMMEDIATE").unwrap();
    let ours = job("ours");
    let commit = async {
        // The push is queued by now. Reads do not wait for it.
        store.oldest_waiting().await.unwrap();
        insert("theirs")(&mut outside).unwrap();
        outside.batch_execute("COMMIT").unwrap();
    };
    let (pushed, ()) = tokio::join!(store.push(&ours), commit);
    pushed.unwrap();
    assert_eq!(committed_jobs(&directory), ["theirs", "ours"]);
}

#[tokio::test]
async fn push_fails_and_stores_nothing_while_another_process_holds_the_lock() {
    let (store, directory) = fresh().await;
    store.write(|db| db.batch_execute("PRAGMA busy_timeout = 0")).await.unwrap();
    let mut outside = Role::Writer.connect(&directory.path().join("reset.db")).unwrap();
    outside.batch_execute("BEGIN IMMEDIATE").unwrap();
    let busy = error_chain(&store.push(&job("rejected")).await.unwrap_err());
    assert!(busy.contains("database is locked"), "{busy}");
    assert!(store.ready().await.is_err(), "a store that cannot accept jobs is not ready");
    let all = [job("a"), job("b"), job("c")];
    let pushes = all.each_ref().map(|job| store.push(job));
    for push in pushes {
        assert!(push.await.is_err());
    }
    outside.batch_execute("ROLLBACK").unwrap();
    store.push(&job("accepted")).await.unwrap();
    assert_eq!(committed_jobs(&directory), ["accepted"]);
}

#[tokio::test]
async fn accepted_job_survives_a_restart_and_a_crash() {
    let (store, directory) = fresh().await;
    store.push(&job("one")).await.unwrap();
    // A killed process leaves the file and its log behind, without closing them.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["reset.db", "reset.db-wal"] {
        std::fs::copy(directory.path().join(name), crashed.path().join(name)).unwrap();
    }
    drop(store);
    assert!(!directory.path().join("reset.db-wal").exists(), "a regular close removes the log");
    for directory in [directory, crashed] {
        let reopened = Sqlite::open(&directory.path().join("reset.db")).await.unwrap();
        reopened.ready().await.unwrap();
        assert_eq!(reopened.claim_accepted(10, NOW, NOW).await.unwrap()[0].id.as_str(), "one");
    }
}
