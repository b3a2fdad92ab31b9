//! Certificates: trusted roots, from a file or from the system, and the client's own.

use std::{fmt::Display, net::IpAddr, path::Path};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::OpenError;

/// Reads the certificates in the PEM file `file`, or those of the system if there is none.
pub(crate) fn certificates(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let Some(path) = file else { return Ok(rustls_native_certs::load_native_certs().certs) };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| unusable(file, error))?;
    if read.is_empty() { Err(unusable(file, "it contains no certificate")) } else { Ok(read) }
}

/// Returns the error for a file, or a system, without a usable certificate.
pub(crate) fn unusable(file: Option<&Path>, reason: impl Display) -> OpenError {
    let of = file.map_or_else(|| "the system's certificates".to_owned(), |path| path.display().to_string());
    OpenError::Certificates { of, reason: reason.to_string() }
}

/// Reads the client's certificate, with its chain, and its private key. Both are PEM files.
pub(crate) fn client_certificate(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), OpenError> {
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unusable_client(certificate, error))?;
    if chain.is_empty() {
        return Err(unusable_client(certificate, "it contains no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable_client(key, error))?;
    Ok((chain, key))
}

/// Returns the error for a file with the client's certificate or key that cannot be used.
pub(crate) fn unusable_client(file: &Path, reason: impl Display) -> OpenError {
    OpenError::ClientCertificate { path: file.to_owned(), reason: reason.to_string() }
}

/// Whether `host` is this machine, so that the connection crosses no network.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}
