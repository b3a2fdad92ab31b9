//! The SQLite file of an owner, which polyreset uses in addition to its own file.

use anyhow::{Context, Result, ensure};
use conformance::server::TestDeployment;
use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection, dsl::sql, sql_types::Text};
use tempfile::TempDir;

use super::{adopt, database::OwnerDatabase};
use crate::packages::succeeded;

/// Schema and journal mode of a file. polyreset changes neither.
const LAYOUT: &str = "(SELECT journal_mode FROM pragma_journal_mode) || char(10) \
    || (SELECT group_concat(name || coalesce(sql, ''), char(10)) FROM sqlite_schema)";
const INTEGRITY: &str = "(SELECT group_concat(integrity_check) FROM pragma_integrity_check)";

/// A file that its owner creates. It is deleted with this value.
pub(super) struct OwnerFile {
    folder: TempDir,
    url: String,
    /// The layout at the first adoption.
    layout: Option<String>,
}

impl OwnerFile {
    pub(super) fn create() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("owner.db").display());
        Ok(Self { folder, url, layout: None })
    }

    /// Checks that the file is sound, and that its layout is as at the first adoption.
    fn check_layout(&self) -> Result<()> {
        let integrity = self.read(INTEGRITY)?;
        ensure!(integrity == "ok", "the file of the owner is damaged: {integrity}");
        ensure!(
            self.layout == Some(self.read(LAYOUT)?),
            "schema or journal mode of the owner's file changed"
        );
        Ok(())
    }

    fn read(&self, expression: &str) -> Result<String> {
        let path = self.folder.path().join("owner.db");
        let mut file = SqliteConnection::establish(path.to_str().context("a path in UTF-8")?)?;
        Ok(diesel::select(sql::<Text>(expression)).get_result(&mut file)?)
    }
}

impl OwnerDatabase for OwnerFile {
    fn url(&self) -> &str {
        &self.url
    }

    fn adopt(&mut self, deployment: &mut TestDeployment) -> Result<String> {
        if self.layout.is_none() {
            self.layout = Some(self.read(LAYOUT)?);
        }
        deployment.set("POLYRESET_USERS__DATABASE_URL", &self.url);
        let report = adopt(deployment, &[])?;
        succeeded(&deployment.run(&["migrate"], "")?).context("migrate")?;
        Ok(report)
    }

    fn check(&self) -> Option<Result<()>> {
        Some(self.check_layout())
    }
}
