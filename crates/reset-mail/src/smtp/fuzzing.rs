//! What the fuzz targets see of a conversation.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::wire;

/// Reads one reply of a mail server: its code, its lines without the codes, and the form that logs show. `None` if the
/// connection counts as lost.
pub fn read_reply(bytes: &[u8]) -> Option<(u16, Vec<String>, String)> {
    let mut bytes = bytes;
    let reading = pin!(wire::read(&mut bytes));
    let Poll::Ready(read) = reading.poll(&mut Context::from_waker(Waker::noop())) else {
        unreachable!("the bytes are in memory")
    };
    let lines = read.ok()?;
    let shown = lines.reply().to_string();
    Some((lines.code, lines.texts, shown))
}

/// Returns a message as it follows DATA.
pub fn framed(message: &[u8]) -> Vec<u8> {
    wire::framed(message)
}
