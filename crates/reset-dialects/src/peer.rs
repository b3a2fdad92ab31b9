//! Who is at the other end of the connection.

use std::net::IpAddr;

/// Address of the other end, put into a request's extensions by the front-end. Absent on a Unix socket, and
/// where a host application does not tell (docs/embed.md). A proxy's address, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);
