//! One destination of mails: a mail server, a directory or the terminal.

use std::sync::Arc;

use lettre::Address;
use reset_core::error::MailError;

use crate::{
    BadMailSettings, TransportConfig, file::Folder, message::ComposedMail, relay::SendError, smtp::Smtp,
    terminal::Terminal,
};

/// A transport that is ready to send.
pub(crate) enum Transport {
    Smtp(Arc<Smtp>),
    File(Folder),
    Stdout(Terminal),
}

/// One step of a diagnosis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiagnosisStep {
    /// The setting that is diagnosed: `mail_url` or `mail_fallback_url`.
    pub setting: &'static str,
    /// The step: `dns`, `tcp`, `tls`, `ehlo`, `starttls`, `auth`, `mail`, `rcpt`, `directory` or `terminal`.
    pub name: &'static str,
    /// The finding; or the failure and its remedy, in one sentence.
    pub result: Result<String, String>,
}

impl Transport {
    pub(crate) fn new(transport: TransportConfig, hello: &str) -> Result<Self, BadMailSettings> {
        Ok(match transport {
            TransportConfig::Smtp(settings) => Self::Smtp(Smtp::new(settings, hello.to_owned())?),
            TransportConfig::File { dir } => Self::File(Folder::new(dir)),
            TransportConfig::Stdout => Self::Stdout(Terminal::default()),
        })
    }

    /// Sends the mail and returns the reply, such as `250 2.0.0`, `filed` or `printed`.
    pub(crate) async fn send(&self, composed: &ComposedMail) -> Result<String, SendError> {
        match self {
            Self::Smtp(smtp) => {
                smtp.send(composed).await.map(|reply| reply.to_string()).map_err(SendError::from)
            }
            Self::File(folder) => {
                folder.put(composed).await.map(|()| "filed".to_owned()).map_err(SendError::local)
            }
            Self::Stdout(terminal) => {
                terminal.print(composed).await.map(|()| "printed".to_owned()).map_err(SendError::local)
            }
        }
    }

    /// Succeeds if the transport could take a mail now.
    pub(crate) async fn check(&self) -> Result<(), SendError> {
        match self {
            Self::Smtp(smtp) => smtp.check().await.map_err(SendError::from),
            Self::File(folder) => folder.check().await.map_err(SendError::local),
            Self::Stdout(_) => Ok(()),
        }
    }

    /// Returns every step up to the first that fails. The sentences name `setting`.
    pub(crate) async fn diagnose(&self, from: &Address, setting: &'static str) -> Vec<DiagnosisStep> {
        match self {
            Self::Smtp(smtp) => smtp.diagnose(from, setting).await,
            Self::File(folder) => {
                vec![DiagnosisStep { setting, name: "directory", result: folder.diagnose(setting).await }]
            }
            Self::Stdout(_) => {
                vec![DiagnosisStep { setting, name: "terminal", result: Ok("mails are printed".to_owned()) }]
            }
        }
    }
}

impl SendError {
    /// A failure of the local disk or pipe, which affects every mail.
    fn local(error: MailError) -> Self {
        Self { error, by_server: true, rejects_sender: false }
    }
}
