//! Requests to a server under test, byte for byte, over the HTTP client of the enumeration probe.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::Context;
use reset_http::client::Step;
use reset_probe::http::HttpConnection;
pub use reset_probe::http::{RawResponse, is_success};
use socket2::{Domain, Type};

use crate::{
    canaries,
    endpoint::{ServerAddress, Socket},
};

/// Connects to `server` from the address `source`, for tests with several clients.
///
/// # Errors
/// Fails if the connection cannot be established.
pub fn connect_from(source: Ipv4Addr, server: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&server.into()).context("connecting")?;
    Ok(socket.into())
}

/// A keep-alive connection.
pub struct Connection {
    endpoint: ServerAddress,
    http: HttpConnection<Socket>,
}

impl Connection {
    /// Connects to `endpoint`.
    ///
    /// # Errors
    /// Fails if the connection cannot be established.
    pub fn open(endpoint: impl Into<ServerAddress>) -> anyhow::Result<Self> {
        let endpoint = endpoint.into();
        let stream = Socket::connect(&endpoint).context("connecting")?;
        stream.set_timeouts(Duration::from_secs(20))?;
        Ok(Self { endpoint, http: HttpConnection::new(stream) })
    }

    /// Sends the bytes of `request` and reads one response.
    ///
    /// # Errors
    /// Fails if the connection drops or the response is not valid HTTP.
    pub fn send(&mut self, request: &[u8]) -> anyhow::Result<RawResponse> {
        canaries::record_request(&self.endpoint, request);
        let response = self.http.send(request)?;
        canaries::record_response(&self.endpoint, &response);
        Ok(response)
    }

    /// Sends a POST request with `body` as JSON.
    ///
    /// # Errors
    /// Fails as [`Self::send`] does.
    pub fn post(&mut self, path: &str, body: &str) -> anyhow::Result<RawResponse> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(format!("{head}{body}").as_bytes())
    }

    /// Sends a GET request for `target`.
    ///
    /// # Errors
    /// Fails as [`Self::send`] does.
    pub fn get(&mut self, target: &str) -> anyhow::Result<RawResponse> {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes())
    }
}

/// Sends one POST request over a new connection.
///
/// # Errors
/// Fails as [`Connection::send`] does.
pub fn post(address: SocketAddr, path: &str, body: &str) -> anyhow::Result<RawResponse> {
    Connection::open(address)?.post(path, body)
}

/// Sends one request of a dialect's client over a new connection.
///
/// # Errors
/// Fails as [`Connection::send`] does.
pub fn send(address: SocketAddr, step: &Step) -> anyhow::Result<RawResponse> {
    post(address, &step.path, &step.body)
}

/// Sends one GET request over a new connection.
///
/// # Errors
/// Fails as [`Connection::send`] does.
pub fn get(address: SocketAddr, target: &str) -> anyhow::Result<RawResponse> {
    Connection::open(address)?.get(target)
}
