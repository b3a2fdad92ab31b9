//! TLS of a mail server's connection: trust anchors, or pinned certificates.

use std::sync::{Arc, LazyLock};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsConnector;
use tracing::warn;

use crate::{BadMailSettings, SmtpSettings};

/// Prepared TLS settings: reading the system's trust anchors for each mail would be too slow.
pub(super) struct Encryption {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

impl Encryption {
    pub(super) fn new(settings: &SmtpSettings) -> Result<Self, BadMailSettings> {
        let name = ServerName::try_from(settings.host.clone()).map_err(|_| BadMailSettings::Host)?;
        // The provider is explicit because the default panics if a process has two.
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring has every default version");
        let config = if settings.pins.is_empty() {
            config.with_root_certificates(roots(settings)?)
        } else {
            let pinned = Pinned { pins: settings.pins.clone(), provider };
            config.dangerous().with_custom_certificate_verifier(Arc::new(pinned))
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config.with_no_client_auth())), name })
    }
}

/// The system's trust anchors, or those of `SSL_CERT_FILE`.
static SYSTEM_ROOTS: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    if !system.errors.is_empty() {
        warn!(
            errors = system.errors.len(),
            "some of the system's trust anchors are unreadable, ignoring them"
        );
    }
    roots.add_parsable_certificates(system.certs);
    roots
});

/// Returns the system's trust anchors and the extra ones.
fn roots(settings: &SmtpSettings) -> Result<RootCertStore, BadMailSettings> {
    let mut roots = SYSTEM_ROOTS.clone();
    for pem in &settings.extra_roots {
        for root in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.add(root.map_err(|_| BadMailSettings::Roots)?).map_err(|_| BadMailSettings::Roots)?;
        }
    }
    Ok(roots)
}

/// Accepts a certificate by its fingerprint. Name, issuer and validity do not matter; the handshake's signature does, so
/// the server must hold the certificate's key.
#[derive(Debug)]
struct Pinned {
    /// SHA-256 of each accepted certificate in DER.
    pins: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let fingerprint: [u8; 32] = Sha256::digest(certificate.as_ref()).into();
        if self.pins.contains(&fingerprint) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
