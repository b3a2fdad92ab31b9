//! Shadow mode: the back end answers the dialects' operations, and polyreset finds out how its own response would differ.
//!
//! [`Shadow`] holds a second [`Api`], the *duplicate*: the same dialects on use cases without an effect
//! ([`reset_core::dry_run`]) and without limits of clients. `reset-listen` passes a request to the back end, and hands both
//! bodies over when the client has its response ([`Shadow::compare`]); nothing here is on the request path.
//!
//! A comparison reports names of fields and headers, types of JSON values and statuses, never a value (R70):
//! `names` decides which names may be written.
//!
//! A secret that the back end has mailed is unknown here. If the back end accepts a request and the duplicate's response is its
//! dialect's refusal of a secret, the two are therefore [`ComparisonResult::SecretUnknown`], not a difference.

mod names;
mod shape;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use reset_core::Resets;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::names::Names;
use crate::{
    Api, ServeOptions,
    observer::Observer,
    route::{Dialect, EndpointKind},
    upstream::Answerer,
};

/// Maximum number of requests whose bodies are kept for a comparison at one time. Others are passed on and not compared.
const CONCURRENT: usize = 32;

/// Maximum size of a response of the back end that is compared, in bytes.
pub const RESPONSE_MAX: usize = 128 * 1024;

/// Headers that belong to one connection or one moment, or that follow from the body.
const IGNORED: [&str; 12] = [
    "age",
    "alt-svc",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "keep-alive",
    "server",
    "transfer-encoding",
    "via",
];

/// The result of one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ComparisonResult {
    /// Status and shape of the body are equal.
    Same,
    /// Status or shape of the body differ.
    Different,
    /// The back end accepted a secret that it has issued itself, so polyreset cannot know it.
    SecretUnknown,
    /// Not compared.
    Skipped(Skipped),
}

/// Why a request was not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skipped {
    /// Its body is larger than `body_limit`.
    RequestTooLarge,
    /// The response of the back end is larger than [`RESPONSE_MAX`].
    ResponseTooLarge,
    /// The body of the response is compressed.
    Compressed,
    /// Too many comparisons were in progress.
    Busy,
    /// The client or the back end did not send everything.
    Incomplete,
    /// The back end limited the client. polyreset's own limits are not part of the comparison.
    Limited,
    /// polyreset could not process the request, for example because the database failed.
    Failed,
}

impl ComparisonResult {
    /// Returns how the result is written in the stored counts.
    pub fn text(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::SecretUnknown => "not comparable: only the back end knows the secret",
            Self::Skipped(Skipped::RequestTooLarge) => "not compared: request over body_limit",
            Self::Skipped(Skipped::ResponseTooLarge) => "not compared: large response",
            Self::Skipped(Skipped::Compressed) => "not compared: compressed response",
            Self::Skipped(Skipped::Busy) => "not compared: too many requests at once",
            Self::Skipped(Skipped::Incomplete) => "not compared: incomplete request or response",
            Self::Skipped(Skipped::Limited) => "not compared: the back end limited the client",
            Self::Skipped(Skipped::Failed) => "not compared: polyreset failed",
        }
    }

    /// Returns the result as a short word, for metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::SecretUnknown => "not_comparable",
            Self::Skipped(_) => "not_compared",
        }
    }
}

/// What a difference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DifferenceKind {
    /// The status.
    Status,
    /// A field of the body, its type, or the format of the body.
    Body,
    /// A header that only one of the responses has.
    Header,
}

impl DifferenceKind {
    /// Returns the kind as a word, for metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Body => "body",
            Self::Header => "header",
        }
    }
}

/// One difference, as polyreset's response compared with that of the back end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub kind: DifferenceKind,
    /// Such as `status 400 instead of 200`, `body lacks user.role` or `header x-reset-reference only here`.
    pub text: String,
}

/// A comparison of two responses to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// Path of the route, never of the request.
    pub route: String,
    /// Method of the endpoint.
    pub method: Method,
    /// The result.
    pub result: ComparisonResult,
    /// Every difference. Headers can also differ if the result is [`ComparisonResult::Same`].
    pub differences: Vec<Difference>,
}

/// Receives every comparison.
pub trait ShadowObserver: Send + Sync {
    /// Records a comparison. Must be fast.
    fn compared(&self, comparison: Comparison);
}

/// The duplicate of an [`Api`] in shadow mode.
pub struct Shadow {
    duplicate: Api,
    /// The responses to secrets that were never issued or are dead, by dialect.
    refusals: Vec<(&'static str, StatusCode, Bytes)>,
    own_paths: &'static [&'static str],
    /// Whether the back end decides on CORS after the switch, too.
    cors: bool,
    observer: Arc<dyn ShadowObserver>,
    slots: Arc<Semaphore>,
}

/// A request that is to be compared: its row, and its place among those that are compared at one time.
pub struct ShadowSlot {
    row: ShadowRow,
    _permit: OwnedSemaphorePermit,
}

/// The row of a request.
struct ShadowRow {
    dialect: &'static str,
    route: String,
    method: Method,
    is_trigger: bool,
}

impl Shadow {
    /// Builds the duplicate. `resets` are use cases without an effect, and `dialects` and `options` those of the served [`Api`];
    /// limits, metrics and the back end of the options do not apply. Requests for `own_paths` are answered by polyreset.
    pub fn new(
        resets: Resets,
        mut dialects: Vec<Dialect>,
        options: ServeOptions,
        own_paths: &'static [&'static str],
        observer: Arc<dyn ShadowObserver>,
    ) -> Self {
        let mut refusals = Vec::new();
        // Hosted pages and service endpoints have no counterpart to compare with.
        dialects.retain(|dialect| dialect.traits.is_some());
        for dialect in &dialects {
            let Some(traits) = &dialect.traits else { continue };
            for refusal in traits.forged.iter().chain(&traits.dead) {
                refusals.push((dialect.name, refusal.status(), refusal.body().clone()));
            }
        }
        let cors = options.upstream.as_ref().is_some_and(|upstream| upstream.cors);
        let no_observer: Option<Arc<dyn Observer>> = None;
        let options = ServeOptions {
            client_limits: None,
            client_connections: None,
            shared: None,
            observer: no_observer,
            token: None,
            upstream: None,
            shadow: None,
            ..options
        };
        let duplicate = Api::new(resets, dialects, options);
        let slots = Arc::new(Semaphore::new(CONCURRENT));
        Self { duplicate, refusals, own_paths, cors, observer, slots }
    }

    /// Decides who answers a request: the back end, except for the paths of polyreset's own.
    pub(crate) fn answerer(&self, method: &Method, path: &str) -> Answerer {
        if self.own_paths.contains(&path) {
            return Answerer::Polyreset;
        }
        if self.row(method, path).is_some() { Answerer::Shadowed } else { Answerer::Upstream }
    }

    /// Returns the row of a request that is compared.
    fn row(&self, method: &Method, path: &str) -> Option<ShadowRow> {
        let route = self.duplicate.route(path)?;
        let endpoint = route.endpoint(method)?;
        let compared = *method != Method::OPTIONS
            && endpoint.kind != EndpointKind::Form
            && endpoint.merged_keys.is_empty();
        compared.then(|| ShadowRow {
            dialect: route.dialect,
            route: route.path.clone(),
            method: endpoint.method.clone(),
            is_trigger: endpoint.kind == EndpointKind::Trigger,
        })
    }

    /// Returns the maximum size of a request body that is compared, in bytes.
    pub fn body_limit(&self) -> usize {
        self.duplicate.body_limit()
    }

    /// Begins to compare a request. `None` if too many are compared already; that is recorded.
    pub fn begin(&self, method: &Method, path: &str) -> Option<ShadowSlot> {
        let row = self.row(method, path)?;
        if let Ok(permit) = self.slots.clone().try_acquire_owned() {
            return Some(ShadowSlot { row, _permit: permit });
        }
        self.report(row, ComparisonResult::Skipped(Skipped::Busy), Vec::new());
        None
    }

    /// Records that a request was not compared.
    pub fn skip(&self, slot: ShadowSlot, why: Skipped) {
        self.report(slot.row, ComparisonResult::Skipped(why), Vec::new());
    }

    /// Processes a request that the back end has answered with `theirs`, and records the comparison.
    pub async fn compare(&self, slot: ShadowSlot, request: Request<Bytes>, theirs: Response<Bytes>) {
        let ShadowSlot { row, _permit } = slot;
        if theirs.status() == StatusCode::TOO_MANY_REQUESTS {
            return self.report(row, ComparisonResult::Skipped(Skipped::Limited), Vec::new());
        }
        let is_head = *request.method() == Method::HEAD;
        let mut names = Names::default();
        names.hide_request(&request);
        let own = self.duplicate.perform(request).await;
        let (result, differences) = self.differences(&row, &own, &theirs, names, is_head);
        self.report(row, result, differences);
    }

    fn differences(
        &self,
        row: &ShadowRow,
        own: &Response<Bytes>,
        theirs: &Response<Bytes>,
        mut names: Names,
        is_head: bool,
    ) -> (ComparisonResult, Vec<Difference>) {
        let accepted = theirs.status().is_success() || theirs.status().is_redirection();
        let refused = self.refusals.iter().any(|(dialect, status, body)| {
            *dialect == row.dialect && own.status() == *status && own.body() == body
        });
        if accepted && refused && !row.is_trigger {
            return (ComparisonResult::SecretUnknown, Vec::new());
        }
        let difference = |kind| move |text| Difference { kind, text };
        if own.status() != theirs.status() {
            // A database that fails here says nothing about the switch. worthai's contract refuses a forged token with 500.
            if own.status().is_server_error() && !refused {
                return (ComparisonResult::Skipped(Skipped::Failed), Vec::new());
            }
            let text = format!("status {} instead of {}", own.status().as_u16(), theirs.status().as_u16());
            return (ComparisonResult::Different, vec![difference(DifferenceKind::Status)(text)]);
        }
        names.hide_body(own.body());
        names.hide_body(theirs.body());
        let mut differences: Vec<Difference> = Vec::new();
        let is_compressed = theirs
            .headers()
            .get(header::CONTENT_ENCODING)
            .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        if !is_head && !is_compressed {
            let body = shape::differences(own, theirs, &names);
            differences.extend(body.into_iter().map(difference(DifferenceKind::Body)));
        }
        let result = match (differences.is_empty(), is_compressed) {
            (_, true) => ComparisonResult::Skipped(Skipped::Compressed),
            (true, false) => ComparisonResult::Same,
            (false, false) => ComparisonResult::Different,
        };
        let headers = self.header_differences(own.headers(), theirs.headers(), &names);
        differences.extend(headers.into_iter().map(difference(DifferenceKind::Header)));
        (result, differences)
    }

    /// Returns the headers that only one of the responses has.
    fn header_differences(&self, own: &HeaderMap, theirs: &HeaderMap, names: &Names) -> Vec<String> {
        let only_in = |some: &HeaderMap, others: &HeaderMap, place: &str| {
            let mut texts: Vec<String> = some
                .keys()
                .filter(|name| !others.contains_key(*name) && !IGNORED.contains(&name.as_str()))
                // The back end adds them to polyreset's responses as well.
                .filter(|name| {
                    let decides = name.as_str().starts_with("access-control-") || *name == header::VARY;
                    !(self.cors && decides)
                })
                .map(|name| format!("header {} only {place}", names.shown(name.as_str())))
                .collect();
            texts.sort();
            texts.dedup();
            texts
        };
        let mut texts = only_in(own, theirs, "here");
        texts.extend(only_in(theirs, own, "there"));
        texts
    }

    fn report(&self, row: ShadowRow, result: ComparisonResult, differences: Vec<Difference>) {
        let ShadowRow { dialect, route, method, .. } = row;
        self.observer.compared(Comparison { dialect, route, method, result, differences });
    }
}
