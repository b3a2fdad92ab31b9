//! Plans of the statements that read tables which anonymous clients can fill, on 100,000 rows.

use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::Text};

use super::{super::queries::plans, Role, migrate, temporary_path};
use crate::tests::plans::PlannedStatement;

/// A line of a plan.
#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[tokio::test]
async fn sqlite_reads_the_first_rows_of_an_index_and_sorts_nothing() {
    let (_directory, path) = temporary_path();
    migrate(&path).await.unwrap();
    let mut db = Role::Writer.connect(&path).unwrap();
    db.batch_execute(
        "BEGIN;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
         INSERT INTO jobs (id, reference, dialect, email, created_at, stage, turn, due_at)
         SELECT 'job' || i, 'R', 'px0', 'a' || i || '@b.c', i, i % 3, i, i FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
         INSERT INTO tickets (id, account, dialect, kind, digest, email, epoch, job, job_seq, nonce, issued_at, minted_at,
             expires_at)
         SELECT 't' || i, 'a' || i, 'px0', 'code', randomblob(32), 'a', 0, 'job' || i, i, 0, i, i, i FROM n;
         COMMIT;",
    )
    .unwrap();
    for PlannedStatement { name, column, sorts, sql } in plans::statements() {
        let lines: Vec<Line> = sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(&mut db).unwrap();
        let plan = lines.into_iter().map(|line| line.detail).collect::<Vec<_>>().join("\n");
        let searched = ["=?", "<?", ">?"].iter().any(|sign| plan.contains(&format!("{column}{sign}")));
        assert!(plan.starts_with("SEARCH") && searched, "{name}: {plan}");
        assert!(!plan.contains("SCAN") && (sorts || !plan.contains("TEMP B-TREE")), "{name}: {plan}");
    }
}
