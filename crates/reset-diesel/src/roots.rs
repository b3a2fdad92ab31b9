//! Trust anchors: a file of the operator's, or the system's.

use std::{fmt::Display, net::IpAddr, path::Path};

use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::OpenError;

/// The certificates in `file`, which has to be PEM; without one, those of the system.
pub(crate) fn certificates(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let Some(path) = file else { return Ok(rustls_native_certs::load_native_certs().certs) };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| useless(file, error))?;
    if read.is_empty() { Err(useless(file, "no certificate in it")) } else { Ok(read) }
}

/// The error of a file, or a system, without a usable certificate.
pub(crate) fn useless(file: Option<&Path>, reason: impl Display) -> OpenError {
    let of = file.map_or_else(|| "the system's certificates".to_owned(), |path| path.display().to_string());
    OpenError::Certificates { of, reason: reason.to_string() }
}

/// Whether `host` is this machine: what goes there is seen by nobody on the way.
pub(crate) fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}
