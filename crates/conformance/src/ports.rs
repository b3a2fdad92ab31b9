//! Ports for programs that tests start.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// The ports to choose from. They lie below those that an operating system gives to outgoing connections, so that no
/// connection of another test takes a port before the program listens on it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// Returns a port of 127.0.0.1 on which nothing listens, and that this process has not returned before.
///
/// # Panics
/// Panics if there is none.
pub fn free() -> u16 {
    // Processes start at different ports, so that two of them do not choose the same one at the same time.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(process::id() % u32::from(COUNT)).unwrap_or_default();
    (0..COUNT)
        .map(|_| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a port is free")
}
