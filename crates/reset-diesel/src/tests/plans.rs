//! Plans of the statements that read tables which anonymous clients can fill, on 100,000 rows without statistics.

use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::Text};

use super::servers::{Fresh, Server};
use crate::{mysql, postgres};

/// A statement whose plan is tested.
pub(crate) struct PlannedStatement {
    pub(crate) name: &'static str,
    /// The last column by which an index must find its rows.
    pub(crate) column: &'static str,
    /// Whether the few rows that were found are sorted, so that they are locked in the same order everywhere.
    pub(crate) sorts: bool,
    /// The statement with its values written out.
    pub(crate) sql: String,
}

/// A line of a plan.
#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    plan: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_reads_the_first_rows_of_an_index_and_sorts_nothing() {
    let Some(fresh) = Server::Postgres.fresh().await else { return };
    // A function, because the column of EXPLAIN has a name that no struct field can have. A prepared statement is planned
    // once, on tables that may be empty then.
    fresh.execute(
        "ALTER TABLE polyreset.jobs SET (autovacuum_enabled = off);
         ALTER TABLE polyreset.tickets SET (autovacuum_enabled = off);
         CREATE FUNCTION plan_of(query text) RETURNS TABLE (plan text) LANGUAGE plpgsql
         AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN ' || query; END $$",
    );
    check_postgres(&fresh, "empty tables");
    fresh.execute(
        "INSERT INTO polyreset.jobs (id, reference, dialect, email, created_at, stage, turn, due_at)
         SELECT 'job' || i, 'R', 'px0', 'a' || i || '@b.c', i, i % 3, i, i FROM generate_series(1, 100000) i;
         INSERT INTO polyreset.tickets (id, account, dialect, kind, digest, email, epoch, job, job_seq, nonce, issued_at,
             minted_at, expires_at)
         SELECT 't' || i, 'a' || i, 'px0', 'code', sha256(i::text::bytea), 'a', 0, 'job' || i, i, 0, i, i, i
         FROM generate_series(1, 100000) i",
    );
    check_postgres(&fresh, "100,000 rows");
}

/// Checks the plan of each statement, under the settings of the claims or those of every connection.
fn check_postgres(fresh: &Fresh, rows: &str) {
    for PlannedStatement { name, column, sorts, sql } in postgres::plans() {
        let query = format!("SELECT plan FROM plan_of($q${sql}$q$)");
        let settings = postgres::plan_settings(!sorts);
        let lines: Vec<Line> = fresh.postgres(|db| {
            db.batch_execute(&format!("BEGIN; {settings}")).unwrap();
            let plan = sql_query(query).load(db).unwrap();
            db.batch_execute("ROLLBACK").unwrap();
            plan
        });
        let plan = lines.into_iter().map(|line| line.plan).collect::<Vec<_>>().join("\n");
        let condition = plan.lines().find_map(|line| line.trim().strip_prefix("Index Cond: "));
        let words: Vec<&str> = condition
            .unwrap_or_default()
            .split(|sign: char| !sign.is_alphanumeric() && sign != '_')
            .collect();
        assert!(words.contains(&column), "{name}, {rows}: {plan}");
        assert!(!plan.contains("Seq Scan") && (sorts || !plan.contains("Sort")), "{name}, {rows}: {plan}");
    }
}

/// The one column of `EXPLAIN FORMAT=JSON`.
#[derive(QueryableByName)]
struct Json {
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "EXPLAIN")]
    plan: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_reads_the_first_rows_of_an_index_and_sorts_nothing() {
    let Some(fresh) = Server::Mariadb.fresh().await else { return };
    fresh.execute(
        "INSERT INTO polyreset_jobs (id, reference, dialect, email, created_at, stage, turn, due_at)
         SELECT CONCAT('job', seq), 'R', 'px0', CONCAT('a', seq, '@b.c'), seq, seq % 3, seq, seq FROM seq_1_to_100000;
         INSERT INTO polyreset_tickets (id, account, dialect, kind, digest, email, epoch, job, job_seq, nonce, issued_at,
             minted_at, expires_at)
         SELECT CONCAT('t', seq), CONCAT('a', seq), 'px0', 'code', UNHEX(SHA2(seq, 256)), 'a', 0, CONCAT('job', seq), seq,
             0, seq, seq, seq FROM seq_1_to_100000",
    );
    for PlannedStatement { name, column, sorts, sql } in mysql::plans() {
        let query = format!("EXPLAIN FORMAT=JSON {sql}");
        let lines: Vec<Json> = fresh.mysql(|db| sql_query(query).load(db).unwrap());
        let plan = &lines[0].plan;
        let (_, parts) = plan.split_once("\"used_key_parts\": [").unwrap_or_default();
        let parts = parts.split(']').next().unwrap_or_default();
        assert!(parts.contains(&format!("\"{column}\"")), "{name}: {plan}");
        assert!(!plan.contains("\"ALL\"") && (sorts || !plan.contains("filesort")), "{name}: {plan}");
    }
}
