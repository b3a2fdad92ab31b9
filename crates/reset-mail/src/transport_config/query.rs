//! The parameters of a mail server's URL: `tls`, `ca` and `pin`.

use std::fs;

use reset_core::encoding::unhex;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{BadMailUrl, Tls, percent_decoded};

/// How a connection is encrypted, and which certificates are accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) tls: Tls,
    /// The contents of the files that `ca` names.
    pub(super) roots: Vec<String>,
    pub(super) pins: Vec<[u8; 32]>,
}

impl Parameters {
    /// Parses the part of the URL after `?`. `implicit` is the scheme `smtps://`.
    pub(super) fn parse(implicit: bool, query: &str) -> Result<Self, BadMailUrl> {
        let (mut tls, mut roots, mut pins) = (None, Vec::new(), Vec::new());
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = percent_decoded(value)?;
            match (name, value.as_str()) {
                ("tls", _) if tls.is_some() => return Err(BadMailUrl::new("has the parameter tls twice.")),
                ("tls", "required") => tls = Some(if implicit { Tls::Implicit } else { Tls::Required }),
                ("tls", "none") if implicit => {
                    return Err(BadMailUrl::new("has tls=none with smtps://; use smtp:// for plain text."));
                }
                ("tls", "none") => tls = Some(Tls::Never),
                ("tls", _) => return Err(BadMailUrl::new("has a tls parameter other than required and none.")),
                ("ca", path) => roots.push(trust_anchors(path)?),
                ("pin", pin) => pins.push(fingerprint(pin).ok_or(BadMailUrl::new(
                    "has a pin parameter that is not sha256: and the 64 hex digits of a certificate's fingerprint.",
                ))?),
                _ => return Err(unknown(name, query)),
            }
        }
        let verifies = !roots.is_empty() || !pins.is_empty();
        if !roots.is_empty() && !pins.is_empty() {
            return Err(BadMailUrl::new(
                "has both ca and pin; a pin already replaces the check of the issuer.",
            ));
        }
        if verifies && tls == Some(Tls::Never) {
            return Err(BadMailUrl::new("has ca or pin beside tls=none."));
        }
        let default = match (implicit, verifies) {
            (true, _) => Tls::Implicit,
            // Without TLS there would be no certificate to verify.
            (false, true) => Tls::Required,
            (false, false) => Tls::WhenOffered,
        };
        Ok(Self { tls: tls.unwrap_or(default), roots, pins })
    }
}

/// Names an unknown parameter, unless it may be the rest of a password with a `?`.
fn unknown(name: &str, query: &str) -> BadMailUrl {
    if query.contains('@') || name.is_empty() || name.len() > 32 {
        return BadMailUrl::new(
            "has an @ or no name after the ?; in user and password write ? as %3F and @ as %40.",
        );
    }
    BadMailUrl(format!("has the unknown parameter {name:?}; known are tls, ca and pin.").into())
}

/// Reads a file with at least one certificate in PEM.
fn trust_anchors(path: &str) -> Result<String, BadMailUrl> {
    let pem = fs::read_to_string(path)
        .map_err(|_| BadMailUrl::new("has a ca parameter whose file cannot be read."))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    if certificates.map_or(true, |certificates| certificates.is_empty()) {
        return Err(BadMailUrl::new(
            "has a ca parameter whose file holds no certificate in PEM, or a broken one.",
        ));
    }
    Ok(pem)
}

/// Parses `sha256:` and 32 bytes in hexadecimal, with or without colons between them, as openssl prints them.
fn fingerprint(pin: &str) -> Option<[u8; 32]> {
    unhex(&pin.strip_prefix("sha256:")?.replace(':', ""))?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Parameters, String> {
        Parameters::parse(false, query).map_err(|error| error.reason().to_owned())
    }

    #[test]
    fn pin_is_a_fingerprint_with_or_without_colons_and_makes_tls_mandatory() {
        let plain = "0a".repeat(32);
        let colons = vec!["0A"; 32].join(":");
        for pin in [plain, colons] {
            let expected = Parameters { tls: Tls::Required, roots: vec![], pins: vec![[10; 32]] };
            assert_eq!(parse(&format!("pin=sha256:{pin}")), Ok(expected));
        }
        let two = parse(&format!("pin=sha256:{}&pin=sha256:{}", "0a".repeat(32), "0b".repeat(32))).unwrap();
        assert_eq!(two.pins, [[10; 32], [11; 32]]);
        for pin in ["", "0a", "sha256:", "sha256:0a", "sha1:0a", &format!("sha256:{}", "0g".repeat(32))] {
            assert!(parse(&format!("pin={pin}")).unwrap_err().contains("64 hex digits"), "{pin}");
        }
    }

    #[test]
    fn file_of_a_trust_anchor_is_read_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let certificate = rcgen::generate_simple_self_signed(["relay".to_owned()]).unwrap().cert.pem();
        let path = |name: &str| dir.path().join(name).into_os_string().into_string().unwrap();
        fs::write(path("ca.pem"), &certificate).unwrap();
        fs::write(path("empty.pem"), "").unwrap();
        let parameters = parse(&format!("ca={}", path("ca.pem"))).unwrap();
        assert_eq!(parameters, Parameters { tls: Tls::Required, roots: vec![certificate], pins: vec![] });
        let error = |name: &str| parse(&format!("ca={}", path(name))).unwrap_err();
        assert_eq!(error("missing.pem"), "has a ca parameter whose file cannot be read.");
        assert!(error("empty.pem").contains("no certificate"));
        let both = format!("ca={}&pin=sha256:{}", path("ca.pem"), "0a".repeat(32));
        assert!(parse(&both).unwrap_err().starts_with("has both ca and pin"));
        let none = format!("tls=none&ca={}", path("ca.pem"));
        assert!(parse(&none).unwrap_err().contains("beside tls=none"));
    }

    #[test]
    fn unknown_parameter_is_named_unless_it_may_be_a_password() {
        assert_eq!(
            parse("tls=required&verify=false").unwrap_err(),
            "has the unknown parameter \"verify\"; known are tls, ca and pin."
        );
        assert!(parse("starttls").unwrap_err().contains("\"starttls\""));
        assert!(!parse("canary@host").unwrap_err().contains("canary"));
        assert!(!parse("canary=1@host").unwrap_err().contains("canary"));
        assert!(parse("tls=maybe").unwrap_err().contains("other than required and none"));
        assert!(parse("tls=none&tls=required").unwrap_err().contains("twice"));
        assert!(Parameters::parse(true, "tls=none").is_err());
        assert_eq!(Parameters::parse(true, "tls=required").unwrap().tls, Tls::Implicit);
    }
}
