//! Canaries in every suite: secrets and addresses from a server's requests, responses and mails are collected, and its
//! log is searched for them in several encodings when it ends (R70).
//!
//! A [`Watch`] belongs to a deployment and collects automatically: [`crate::http`] passes it requests and responses,
//! [`crate::mails`] and [`crate::sink`] mails, and [`crate::server`] settings.

mod encoding;
mod search;
mod stored;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use reset_http::client::{EMAIL, MailedSecret, PASSWORD};

pub use self::stored::forms_of_code;
use crate::{clients, endpoint::ServerAddress, http::RawResponse, mails::ReceivedMail};

/// Kind of a text that must not occur in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CanaryKind {
    /// A mail address.
    Address,
    /// An old or new password of an account.
    Password,
    /// A mailed six-digit code.
    Code,
    /// A reset secret that cannot be guessed: a long code, a token or a whole link.
    Token,
    /// A session token in a response.
    Session,
    /// A secret of the deployment.
    Setting,
}

/// Source of the texts of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A server of the deployment, or the mail server that receives its mails.
    Server(ServerAddress),
    /// The folder that the server files its mails in.
    Folder(PathBuf),
}

/// All watches with their sources.
static WATCHES: Mutex<Vec<(Source, Arc<Watch>)>> = Mutex::new(Vec::new());

/// The secrets and addresses of one deployment.
#[derive(Debug, Default)]
pub struct Watch {
    known: Mutex<BTreeMap<String, CanaryKind>>,
}

impl Watch {
    /// Adds `text`, unless it is so short that it may occur in a log by chance. A code must have six digits.
    pub fn note(&self, kind: CanaryKind, text: &str) {
        let is_distinctive = match kind {
            CanaryKind::Code => text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()),
            _ => text.len() >= search::SHORTEST,
        };
        if is_distinctive {
            lock(&self.known).insert(text.to_owned(), kind);
        }
    }

    /// Adds the address and the secrets of a mail.
    pub fn note_mail(&self, mail: &ReceivedMail) {
        self.note(CanaryKind::Address, &mail.to);
        if let Some(code) = mail.code() {
            self.note(if code.len() == 6 { CanaryKind::Code } else { CanaryKind::Token }, code);
        }
        for token in mail.link().into_iter().chain(mail.token()) {
            self.note(CanaryKind::Token, token);
        }
    }

    /// Collects from the server at `endpoint` until [`forget`] is called.
    pub fn watch_endpoint(self: &Arc<Self>, endpoint: ServerAddress) {
        lock(&WATCHES).push((Source::Server(endpoint), self.clone()));
    }

    /// Collects from the mails in `folder`.
    pub fn watch_folder(self: &Arc<Self>, folder: &Path) {
        lock(&WATCHES).push((Source::Folder(folder.to_owned()), self.clone()));
    }

    /// Stops collecting.
    pub fn stop(self: &Arc<Self>) {
        lock(&WATCHES).retain(|(_, watch)| !Arc::ptr_eq(watch, self));
    }

    /// Searches `log` for all collected texts. Returns one description per match, with line, kind and encoding.
    pub fn found_in(&self, log: &[u8]) -> Vec<String> {
        search::found(&lock(&self.known), log)
    }

    /// Returns the number of collected texts of `kind`.
    pub fn count(&self, kind: CanaryKind) -> usize {
        lock(&self.known).values().filter(|known| **known == kind).count()
    }

    fn learn_body(&self, body: &str) {
        for (field, kind) in fields() {
            for (at, _) in body.match_indices(&format!("\"{field}\":\"")) {
                let rest = &body[at + field.len() + 4..];
                self.note(*kind, rest.split('"').next().unwrap_or_default());
            }
        }
    }
}

/// Fields of responses that hold a session token; no client description names them.
const SESSION_FIELDS: [&str; 1] = ["jwt"];

/// Returns the names of JSON fields and of parameters in links in every dialect, with the kind of their values.
fn fields() -> &'static BTreeMap<String, CanaryKind> {
    static FIELDS: OnceLock<BTreeMap<String, CanaryKind>> = OnceLock::new();
    FIELDS.get_or_init(|| {
        let mut fields: BTreeMap<String, CanaryKind> =
            SESSION_FIELDS.iter().map(|name| ((*name).to_owned(), CanaryKind::Session)).collect();
        for client in clients::all() {
            for step in clients::steps(&client) {
                fields.extend(clients::fields(step).into_iter().map(|(field, placeholder)| {
                    let kind = match placeholder {
                        EMAIL => CanaryKind::Address,
                        PASSWORD => CanaryKind::Password,
                        _ => CanaryKind::Token,
                    };
                    (field.to_owned(), kind)
                }));
            }
            let token = client.exchange.as_ref().map(|exchange| exchange.token);
            let parameters = match client.mailed {
                MailedSecret::Link { parameters } => parameters,
                MailedSecret::Code => &[],
            };
            let secrets = token.iter().chain(parameters);
            fields.extend(secrets.map(|name| ((*name).to_owned(), CanaryKind::Token)));
        }
        fields
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watches_of(source: &Source) -> Vec<Arc<Watch>> {
    let all = lock(&WATCHES);
    all.iter().filter(|(known, _)| known == source).map(|(_, watch)| watch.clone()).collect()
}

/// Stops collecting from `endpoint`, because another server may listen there next.
pub fn forget(endpoint: &ServerAddress) {
    lock(&WATCHES).retain(|(source, _)| *source != Source::Server(endpoint.clone()));
}

/// Passes a request to the watches of `endpoint`.
pub(crate) fn record_request(endpoint: &ServerAddress, request: &[u8]) {
    for watch in watches_of(&Source::Server(endpoint.clone())) {
        let request = String::from_utf8_lossy(request);
        let (head, body) = request.split_once("\r\n\r\n").unwrap_or((&request, ""));
        watch.learn_body(body);
        let target = head.split(' ').nth(1).unwrap_or_default();
        for pair in target.split_once('?').map_or("", |(_, query)| query).split('&') {
            let (name, value) = pair.split_once('=').unwrap_or_default();
            if let Some(kind) = fields().get(name) {
                watch.note(*kind, value);
            }
        }
    }
}

/// Passes a response to the watches of `endpoint`.
pub(crate) fn record_response(endpoint: &ServerAddress, response: &RawResponse) {
    for watch in watches_of(&Source::Server(endpoint.clone())) {
        watch.learn_body(&response.body);
        if let Some(token) = response.header("location").and_then(|link| link.split("token=").nth(1)) {
            watch.note(CanaryKind::Token, token.split('&').next().unwrap_or_default());
        }
    }
}

/// Passes a mail in `folder` to the watches of the folder.
pub(crate) fn record_filed_mail(folder: &Path, mail: &ReceivedMail) {
    for watch in watches_of(&Source::Folder(folder.to_owned())) {
        watch.note_mail(mail);
    }
}

/// Passes a mail to the watches of the mail server at `endpoint`.
pub(crate) fn record_smtp_mail(endpoint: &ServerAddress, mail: &ReceivedMail) {
    for watch in watches_of(&Source::Server(endpoint.clone())) {
        watch.note_mail(mail);
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
    fn a_planted_text_is_found_in_every_encoding_with_its_kind_and_line() {
        for (planted, kind, encoding) in [
            ("to ann.lee@example.com.", "Address", "plain"),
            ("ANN.LEE@EXAMPLE.COM", "Address", "plain"),
            ("email=ann.lee%40example.com&", "Address", "percent-encoded"),
            ("616e6e2e6c6565406578616d706c652e636f6d", "Address", "in hexadecimal"),
            (
                "[97, 110, 110, 46, 108, 101, 101, 64, 101, 120, 97, 109, 112, 108, 101, 46, 99, 111, 109]",
                "Address",
                "as bytes",
            ),
            ("YW5uLmxlZUBleGFtcGxlLmNvbQ==", "Address", "in base64"),
            // Base64 with the prefixes `x:` and `xy:`.
            ("eDphbm4ubGVlQGV4YW1wbGUuY29t", "Address", "in base64"),
            ("eHk6YW5uLmxlZUBleGFtcGxlLmNvbQ", "Address", "in base64"),
            ("Correct-Horse 1!", "Password", "plain"),
            ("Correct-Horse+1%21", "Password", "percent-encoded"),
            ("Correct-Horse%201!", "Password", "percent-encoded"),
            ("code=012345,", "Code", "plain"),
            ("2525C61F24B40A95DD2E6C0F347A6423", "Token", "plain"),
        ] {
            let log = format!("first line\nsecond {planted}\n");
            let found = watch().found_in(log.as_bytes());
            assert_eq!(found, [format!("line 2: {kind}, {encoding}")], "{planted}");
        }
    }

    #[test]
    fn a_similar_text_is_not_found() {
        let log = "7012345 0123456 a012345 short 2525c61f24b40a95 example.com 12345\n";
        assert_eq!(watch().found_in(log.as_bytes()), [] as [&str; 0]);
    }

    #[test]
    fn a_watch_collects_only_from_its_own_deployment() {
        let (watch, other) = (Arc::new(Watch::default()), Arc::new(Watch::default()));
        let endpoint = ServerAddress::Unix("/a/socket".into());
        watch.watch_endpoint(endpoint.clone());
        other.watch_endpoint(ServerAddress::Unix("/another/socket".into()));
        let body = r#"{"email":"ann@example.com","new_password":"Correct-Horse","code":"000000"}"#;
        record_request(
            &endpoint,
            format!("POST /x?token=0123456789 HTTP/1.1\r\na: b\r\n\r\n{body}").as_bytes(),
        );
        let response =
            RawResponse { status: 200, headers: Vec::new(), body: r#"{"token":"abcdefabcdef"}"#.to_owned() };
        record_response(&endpoint, &response);
        forget(&endpoint);
        record_request(&endpoint, b"POST /x?token=9876543210 HTTP/1.1\r\n\r\n");
        let count = |watch: &Watch| {
            [CanaryKind::Address, CanaryKind::Password, CanaryKind::Token].map(|kind| watch.count(kind))
        };
        assert_eq!((count(&watch), count(&other)), ([1, 1, 2], [0, 0, 0]));
    }
}
