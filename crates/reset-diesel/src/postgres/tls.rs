//! TLS for PostgreSQL, with rustls and ring.

use std::{path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::address::{ClientFiles, Tls};
use crate::{OpenError, roots};

/// Returns the TLS configuration, or `None` if the connection is not encrypted. With `files` the client presents its
/// certificate to a server that asks for one.
pub(super) fn client(tls: &Tls, files: Option<&ClientFiles>) -> Result<Option<Arc<ClientConfig>>, OpenError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3");
    let builder = match tls {
        Tls::Off => return Ok(None),
        Tls::Offered => {
            let verifier = Arc::new(LenientVerifier { provider, chain: None });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
        Tls::Required { verify_name: true, roots } => {
            builder.with_root_certificates(store(roots.as_deref())?)
        }
        Tls::Required { verify_name: false, roots } => {
            let chain = WebPkiServerVerifier::builder_with_provider(
                Arc::new(store(roots.as_deref())?),
                provider.clone(),
            );
            let chain = Some(chain.build().map_err(|error| roots::unusable(roots.as_deref(), error))?);
            let verifier = Arc::new(LenientVerifier { provider, chain });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
    };
    let config = match files {
        None => builder.with_no_client_auth(),
        Some(ClientFiles { certificate, key }) => {
            let (chain, private) = roots::client_certificate(certificate, key)?;
            let unusable = |error| roots::unusable_client(certificate, error);
            builder.with_client_auth_cert(chain, private).map_err(unusable)?
        }
    };
    Ok(Some(Arc::new(config)))
}

fn store(file: Option<&Path>) -> Result<RootCertStore, OpenError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots::certificates(file)?);
    if store.is_empty() {
        return Err(roots::unusable(file, "it contains no certificate"));
    }
    Ok(store)
}

/// A verifier that is more lenient than the one of rustls: `verify-ca` ignores the name, and `prefer` accepts any
/// certificate.
#[derive(Debug)]
struct LenientVerifier {
    provider: Arc<CryptoProvider>,
    /// Verifies the chain; `None` accepts any certificate.
    chain: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for LenientVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        let verified = chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // rustls checks the name last, so the rest of the certificate is valid.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
