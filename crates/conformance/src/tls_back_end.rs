//! A back end over TLS, with a certificate that a test's own authority has signed.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// A certificate authority that no system trusts.
pub struct Authority {
    pem: String,
    signer: Issuer<'static, KeyPair>,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Now.
    Current,
    /// Until 2021.
    Expired,
}

impl Authority {
    /// Creates an authority with a new key.
    ///
    /// # Errors
    /// Fails if the key cannot be generated.
    pub fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { pem, signer: Issuer::new(params, key) })
    }

    /// Returns the certificate of the authority in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Starts a back end on a free port of 127.0.0.1 with a certificate for `name`. It answers every request with 200 and
    /// the text `over TLS`, one request per connection, until the test ends.
    ///
    /// # Errors
    /// Fails if the certificate cannot be made or the port cannot be bound.
    pub fn back_end(&self, name: &str, validity: Validity) -> Result<SocketAddr> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([name.to_owned()])?;
        if validity == Validity::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.signer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0")?);
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Ok(connection) = ServerConnection::new(config.clone()) else { return };
                let mut stream = StreamOwned::new(connection, stream);
                // A client that refuses the certificate ends the handshake.
                if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(
                        b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nover TLS",
                    );
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            }
        });
        Ok(address)
    }
}
