//! The port for shadow mode: how often polyreset's response differed from that of the back end that it will replace.

use async_trait::async_trait;

use crate::error::StoreError;

/// Maximum number of stored counts. Names in the responses of a back end form the findings, so their number needs a bound.
pub const FINDINGS_MAX: usize = 1000;

/// Maximum length of [`Finding::route`] and [`Finding::finding`], in characters.
pub const FINDING_TEXT_MAX: usize = 190;

/// How often one result of a comparison occurred at one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Method and path of the route, never of the request.
    pub route: String,
    /// The result, such as `status 400 instead of 200`: names, types and statuses, never a value.
    pub finding: String,
    /// How often it occurred.
    pub times: u64,
}

/// The counted results of comparisons, shared by all replicas.
#[async_trait]
pub trait Comparisons: Send + Sync {
    /// Adds to the stored counts, in one transaction. Without a stored count of the same route and finding, one is stored
    /// as long as there are fewer than [`FINDINGS_MAX`]; beyond that, it is dropped.
    ///
    /// # Errors
    /// Fails if the store fails; then nothing was added, unless only the result of the commit was lost.
    async fn add_findings(&self, findings: &[Finding]) -> Result<(), StoreError>;

    /// Returns every count, ordered by route and finding.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn findings(&self) -> Result<Vec<Finding>, StoreError>;

    /// Deletes every count.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn clear_findings(&self) -> Result<(), StoreError>;
}
