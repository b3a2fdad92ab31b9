//! The file and terminal transports, through the public API.

use std::{fs, path::Path, time::Duration};

use mail_parser::MessageParser;
use reset_core::{
    error::MailError,
    job::Reference,
    mail::{Mail, MailBody},
    ports::Mailer,
    time::Timestamp,
};
use reset_mail::{BadMailSettings, MailService, TransportConfig};

fn service(transports: Vec<TransportConfig>) -> MailService {
    MailService::new(transports, "Polyreset <no-reply@localhost>", "localhost")
        .unwrap_or_else(|e| panic!("{e}"))
}

fn file(dir: &Path) -> TransportConfig {
    TransportConfig::File { dir: dir.to_owned() }
}

fn mail(code: &str) -> Mail {
    let body = MailBody::ResetCode { code: code.to_owned().into(), lifetime: Duration::from_secs(900) };
    Mail {
        to: "ada@example.org".to_owned(),
        name: None,
        locale: None,
        dialect: "px0".to_owned(),
        reference: Reference::stored("K7Q2M4ZD8R"),
        at: Timestamp::from_millis(1_796_047_320_000),
        network: None,
        message_id: "0af1".to_owned(),
        body,
    }
}

#[expect(clippy::unwrap_used, reason = "a directory that cannot be read is a failed test")]
fn names(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn file_transport_writes_one_complete_message_named_by_its_id() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("new/mail");
    assert_eq!(service(vec![file(&dir)]).send(&mail("123456")).await.unwrap(), "filed");
    assert_eq!(names(&dir), ["0af1.eml"]);
    let bytes = fs::read(dir.join("0af1.eml")).unwrap();
    let message = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(message.message_id(), Some("0af1@localhost"));
    assert!(message.body_text(0).unwrap().lines().any(|line| line == "123456"));
}

#[tokio::test]
async fn decoy_mail_leaves_no_file_and_changes_none() {
    let dir = tempfile::tempdir().unwrap();
    let service = service(vec![file(dir.path()), TransportConfig::Stdout]);
    service.prepare_decoy(&mail("123456")).await;
    assert_eq!(names(dir.path()), [] as [&str; 0]);
    service.send(&mail("123456")).await.unwrap();
    service.prepare_decoy(&mail("654321")).await;
    assert_eq!(names(dir.path()), ["0af1.eml"]);
    let text = fs::read_to_string(dir.path().join("0af1.eml")).unwrap();
    assert!(text.contains("123456") && !text.contains("654321"));
}

#[tokio::test]
async fn retry_replaces_the_mail_instead_of_adding_one() {
    let dir = tempfile::tempdir().unwrap();
    let service = service(vec![file(dir.path())]);
    service.send(&mail("123456")).await.unwrap();
    service.send(&mail("123456")).await.unwrap();
    assert_eq!(names(dir.path()), ["0af1.eml"]);
}

#[cfg(unix)]
#[tokio::test]
async fn mail_file_is_accessible_to_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("mail");
    service(vec![file(&dir)]).send(&mail("123456")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("0af1.eml"))), (0o700, 0o600));
}

#[tokio::test]
async fn file_in_place_of_the_directory_postpones_mail_and_is_diagnosed() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("mail");
    fs::write(&dir, "").unwrap();
    let service = service(vec![file(&dir)]);
    assert!(matches!(service.send(&mail("123456")).await, Err(MailError::Temporary { .. })));
    assert!(matches!(service.check().await, Err(MailError::Temporary { .. })));
    let steps = service.diagnose().await;
    assert_eq!(steps[0].name, "directory");
    assert!(steps[0].result.as_ref().unwrap_err().contains("cannot be written to"));
}

#[tokio::test]
async fn check_leaves_no_file_in_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let service = service(vec![file(dir.path())]);
    service.check().await.unwrap();
    assert!(service.diagnose().await[0].result.is_ok());
    assert!(names(dir.path()).is_empty());
}

#[tokio::test]
async fn mail_goes_to_all_transports() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let service = service(vec![TransportConfig::Stdout, file(first.path()), file(second.path())]);
    service.check().await.unwrap();
    service.send(&mail("123456")).await.unwrap();
    assert_eq!(
        (names(first.path()), names(second.path())),
        (vec!["0af1.eml".to_owned()], vec!["0af1.eml".to_owned()])
    );
}

#[test]
fn invalid_settings_are_named() {
    let error = |transports, from, domain| MailService::new(transports, from, domain).err();
    let stdout = || vec![TransportConfig::Stdout];
    assert_eq!(error(vec![], "a@b.com", "localhost"), Some(BadMailSettings::NoTransport));
    for from in ["", "nobody", "a@b.com\r\nBcc: c@d.com", "jö@b.com", "a@bücher.example"] {
        assert_eq!(error(stdout(), from, "localhost"), Some(BadMailSettings::From), "{from}");
    }
    for domain in ["", "a b", "a\r\nb", "a>b", ".", "https://a"] {
        assert_eq!(error(stdout(), "a@b.com", domain), Some(BadMailSettings::Domain), "{domain}");
    }
    for domain in ["localhost", "reset.example.org", "127.0.0.1", "::1", "[::1]"] {
        assert_eq!(error(stdout(), "a@b.com", domain), None, "{domain}");
    }
}
