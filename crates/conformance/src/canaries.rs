//! Canaries over every suite: what a server was sent, what it answered and what it mailed is remembered, and looked for
//! in its log when it ends, in every notation (R70).
//!
//! A [`Watch`] belongs to a deployment. It learns by itself: [`crate::http`] tells it what goes over the wire to and from
//! its servers, [`crate::mails`] and [`crate::sink`] what was mailed, and [`crate::server`] what it was set up with.

mod encoding;
mod search;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{endpoint::Endpoint, http::RawResponse, mails::ReceivedMail};

/// What must not be in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CanaryKind {
    /// A mail address.
    Address,
    /// A password of a person's, old or new.
    Password,
    /// A code of six digits that was mailed.
    Code,
    /// A secret of a reset that cannot be guessed: a long code, a token, a whole link.
    Token,
    /// A session token in an answer.
    Session,
    /// A secret of the deployment.
    Setting,
}

/// Where a watch learns from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A server of the deployment's, or the mail server that it hands its mails to.
    At(Endpoint),
    /// The folder that it files its mails in.
    In(PathBuf),
}

/// All watches, by where they learn from.
static WATCHES: Mutex<Vec<(Source, Arc<Watch>)>> = Mutex::new(Vec::new());

/// What is known of one deployment.
#[derive(Debug, Default)]
pub struct Watch {
    known: Mutex<BTreeMap<String, CanaryKind>>,
}

impl Watch {
    /// Notes `text`, if it can be told from chance: a code by its six digits, everything else by its length.
    pub fn note(&self, kind: CanaryKind, text: &str) {
        let fits = match kind {
            CanaryKind::Code => text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()),
            _ => text.len() >= search::SHORTEST,
        };
        if fits {
            lock(&self.known).insert(text.to_owned(), kind);
        }
    }

    /// Notes what a mail holds.
    pub fn note_letter(&self, letter: &ReceivedMail) {
        self.note(CanaryKind::Address, &letter.to);
        if let Some(code) = letter.code() {
            self.note(if code.len() == 6 { CanaryKind::Code } else { CanaryKind::Token }, code);
        }
        for token in letter.link().into_iter().chain(letter.token()) {
            self.note(CanaryKind::Token, token);
        }
    }

    /// Learns from the server at `place` until [`forget`] is called.
    pub fn listen_at(self: &Arc<Self>, place: Endpoint) {
        lock(&WATCHES).push((Source::At(place), self.clone()));
    }

    /// Learns from the mails in `folder`.
    pub fn listen_in(self: &Arc<Self>, folder: &Path) {
        lock(&WATCHES).push((Source::In(folder.to_owned()), self.clone()));
    }

    /// Learns nothing any more.
    pub fn end(self: &Arc<Self>) {
        lock(&WATCHES).retain(|(_, watch)| !Arc::ptr_eq(watch, self));
    }

    /// Looks for everything known in `log`: what was found, and in which line.
    pub fn found_in(&self, log: &[u8]) -> Vec<String> {
        search::found(&lock(&self.known), log)
    }

    /// How many texts are known of each kind.
    pub fn count(&self, kind: CanaryKind) -> usize {
        lock(&self.known).values().filter(|known| **known == kind).count()
    }

    fn learn_body(&self, body: &str) {
        for (field, kind) in FIELDS {
            for (at, _) in body.match_indices(&format!("\"{field}\":\"")) {
                let rest = &body[at + field.len() + 4..];
                self.note(kind, rest.split('"').next().unwrap_or_default());
            }
        }
    }
}

/// Fields of bodies, as all four dialects name them, and what they hold.
const FIELDS: [(&str, CanaryKind); 10] = [
    ("email", CanaryKind::Address),
    ("code", CanaryKind::Token),
    ("reset_token", CanaryKind::Token),
    ("otp", CanaryKind::Token),
    ("token", CanaryKind::Token),
    ("jwt", CanaryKind::Session),
    ("password", CanaryKind::Password),
    ("new_password", CanaryKind::Password),
    ("newPassword", CanaryKind::Password),
    ("passwordConfirmation", CanaryKind::Password),
];

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watching(source: &Source) -> Vec<Arc<Watch>> {
    let all = lock(&WATCHES);
    all.iter().filter(|(known, _)| known == source).map(|(_, watch)| watch.clone()).collect()
}

/// Nobody learns from `place` any more: another server may listen there next.
pub fn forget(place: &Endpoint) {
    lock(&WATCHES).retain(|(source, _)| *source != Source::At(place.clone()));
}

/// Tells whoever watches `place` of a request to it.
pub(crate) fn sent(place: &Endpoint, request: &[u8]) {
    for watch in watching(&Source::At(place.clone())) {
        let request = String::from_utf8_lossy(request);
        let (head, body) = request.split_once("\r\n\r\n").unwrap_or((&request, ""));
        watch.learn_body(body);
        let target = head.split(' ').nth(1).unwrap_or_default();
        for pair in target.split_once('?').map_or("", |(_, query)| query).split('&') {
            let (name, value) = pair.split_once('=').unwrap_or_default();
            if let Some((_, kind)) = FIELDS.iter().find(|(field, _)| *field == name) {
                watch.note(*kind, value);
            }
        }
    }
}

/// Tells whoever watches `place` of an answer from it.
pub(crate) fn answered(place: &Endpoint, answer: &RawResponse) {
    for watch in watching(&Source::At(place.clone())) {
        watch.learn_body(&answer.body);
        if let Some(token) = answer.header("location").and_then(|link| link.split("token=").nth(1)) {
            watch.note(CanaryKind::Token, token.split('&').next().unwrap_or_default());
        }
    }
}

/// Tells whoever watches `folder` of a mail in it.
pub(crate) fn filed(folder: &Path, letter: &ReceivedMail) {
    for watch in watching(&Source::In(folder.to_owned())) {
        watch.note_letter(letter);
    }
}

/// Tells whoever watches the mail server at `place` of a mail that it was handed.
pub(crate) fn mailed(place: &Endpoint, letter: &ReceivedMail) {
    for watch in watching(&Source::At(place.clone())) {
        watch.note_letter(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Arc<Watch> {
        let watch = Arc::new(Watch::default());
        watch.note(CanaryKind::Address, "ann.lee@example.com");
        watch.note(CanaryKind::Password, "Correct-Horse 1!");
        watch.note(CanaryKind::Code, "012345");
        watch.note(CanaryKind::Token, "2525c61f24b40a95dd2e6c0f347a6423");
        watch.note(CanaryKind::Token, "short");
        watch
    }

    #[test]
    fn what_is_planted_is_found_in_every_notation_and_told_by_kind_and_line() {
        for (planted, kind, notation) in [
            ("to ann.lee@example.com.", "Address", "as it is"),
            ("ANN.LEE@EXAMPLE.COM", "Address", "as it is"),
            ("email=ann.lee%40example.com&", "Address", "percent-encoded"),
            ("616e6e2e6c6565406578616d706c652e636f6d", "Address", "in hexadecimal"),
            (
                "[97, 110, 110, 46, 108, 101, 101, 64, 101, 120, 97, 109, 112, 108, 101, 46, 99, 111, 109]",
                "Address",
                "as bytes",
            ),
            ("YW5uLmxlZUBleGFtcGxlLmNvbQ==", "Address", "in base64"),
            // `x:` and `xy:` before it.
            ("eDphbm4ubGVlQGV4YW1wbGUuY29t", "Address", "in base64"),
            ("eHk6YW5uLmxlZUBleGFtcGxlLmNvbQ", "Address", "in base64"),
            ("Correct-Horse 1!", "Password", "as it is"),
            ("Correct-Horse+1%21", "Password", "percent-encoded"),
            ("Correct-Horse%201!", "Password", "percent-encoded"),
            ("code=012345,", "Code", "as it is"),
            ("2525C61F24B40A95DD2E6C0F347A6423", "Token", "as it is"),
        ] {
            let log = format!("first line\nsecond {planted}\n");
            let found = watch().found_in(log.as_bytes());
            assert_eq!(found, [format!("line 2: {kind}, {notation}")], "{planted}");
        }
    }

    #[test]
    fn what_merely_looks_like_it_is_not_found() {
        let log = "7012345 0123456 a012345 short 2525c61f24b40a95 example.com 12345\n";
        assert_eq!(watch().found_in(log.as_bytes()), [] as [&str; 0]);
    }

    #[test]
    fn a_watch_learns_from_requests_answers_and_mails_of_its_own_deployment_alone() {
        let (watch, other) = (Arc::new(Watch::default()), Arc::new(Watch::default()));
        let place = Endpoint::Unix("/a/socket".into());
        watch.listen_at(place.clone());
        other.listen_at(Endpoint::Unix("/another/socket".into()));
        let body = r#"{"email":"ann@example.com","new_password":"Correct-Horse","code":"000000"}"#;
        sent(&place, format!("POST /x?token=0123456789 HTTP/1.1\r\na: b\r\n\r\n{body}").as_bytes());
        let answer =
            RawResponse { status: 200, headers: Vec::new(), body: r#"{"token":"abcdefabcdef"}"#.to_owned() };
        answered(&place, &answer);
        forget(&place);
        sent(&place, b"POST /x?token=9876543210 HTTP/1.1\r\n\r\n");
        let count = |watch: &Watch| {
            [CanaryKind::Address, CanaryKind::Password, CanaryKind::Token].map(|kind| watch.count(kind))
        };
        assert_eq!((count(&watch), count(&other)), ([1, 1, 2], [0, 0, 0]));
    }
}
