//! The peer address of a connection.

use std::net::IpAddr;

/// The address of the connection's peer, which the HTTP front-end stores in the request's extensions. Behind a proxy
/// this is the proxy's address. It is absent on a Unix socket, and if a host application does not set it
/// (docs/embed.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);
