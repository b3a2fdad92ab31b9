//! The one list of differences that no code of ours decides: what hyper and actix-http make of bytes before any
//! row is reached, and of a connection after its last answer.
//!
//! A class needs both its reason in the bytes that were sent and its exact pattern in the answers. The
//! front-ends on hyper (the first and the last) must agree in any case.

use super::{Answer, End, Outcome, exchange::SENTINEL};
use crate::random::Probe;

/// actix-http refuses a doubled `Content-Length` and one beside `Transfer-Encoding`; hyper takes equal ones, and
/// prefers the chunks. It drops what it does not use, so nothing behind it can tell.
const FRAMED_TWICE: &str = "framed twice: actix refuses, hyper takes one of the frames and closes";
/// hyper reads nothing more on a connection that its client or its answer has ended; actix-http has read the
/// next requests already.
const BEHIND_THE_END: &str = "behind the end: actix answers what was pipelined behind a last request";
/// actix-http gives a connection up to another protocol once a request names one, and ends it with its answer.
const OTHER_PROTOCOL: &str = "another protocol: actix ends the connection that asked for one";
/// actix-http frames an answer for the method of the request that it read last: pipelined with a `HEAD`, another
/// answer loses its body, or the `HEAD` gets one.
const HEAD_AHEAD: &str = "a pipelined HEAD: actix sends or omits the body of its neighbour";
/// actix-http passes over trailers unread, hyper reads them and refuses what is no header.
const TRAILERS: &str = "malformed trailers: hyper refuses, actix passes over them";
/// A body that no row reads: each server has its own measure of how much to skip before it rather closes.
const BODY_UNREAD: &str = "an unread body: one closes behind a 405 or 413, the other goes on";
/// hyper's parser refuses the two largest lengths, which are words of its own; actix hands them on, for a 413.
const HUGE_LENGTH: &str = "a length near 2^64: hyper says 431, actix what it says to any large one";
/// actix-http meets broken chunks behind a request that is still being answered, and drops that answer.
const LOST_ANSWER: &str = "broken chunks, pipelined: actix closes without the answer in flight";
/// actix-http buffers 128 KiB of a head that does not end, hyper 32 KiB. Neither reads on.
const ENDLESS_HEAD: &str = "an endless head: hyper refuses it earlier";

/// The class that a difference falls into, if it is one of these.
pub(super) fn class(probe: &Probe, outcomes: &[Outcome]) -> Option<&'static str> {
    let (hyper, actix) = match outcomes {
        [axum, actix, warp] if axum.answers == warp.answers => (axum, actix),
        _ => return None,
    };
    let sent = Sent::of(probe);
    let (one, other) = (&hyper.answers, &actix.answers);
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let rests = (&one[same..], &other[same..]);
    let last = one[..same].last().map_or(0, |last| last.status);
    match rests {
        (_, [refused]) if sent.framed_twice && is_bare(refused, 400) => Some(FRAMED_TWICE),
        _ if sent.head && one.iter().zip(other).nth(same).is_some_and(differ_by_body) => Some(HEAD_AHEAD),
        ([refused], _) if sent.trailers && refused.status == 400 && hyper.end == End::Closed => {
            Some(TRAILERS)
        }
        ([], [_, ..]) if sent.trailers && hyper.end == End::Closed => Some(TRAILERS),
        ([], [_, ..]) if hyper.end == End::Closed && (sent.ends || sent.large || ends(last)) => {
            Some(BEHIND_THE_END)
        }
        ([_, ..], []) | ([], [_, ..]) if matches!(last, 405 | 413) => Some(BODY_UNREAD),
        ([refused], [_, ..]) if sent.huge && is_bare(refused, 431) => Some(HUGE_LENGTH),
        ([_, ..], []) if sent.other_protocol => Some(OTHER_PROTOCOL),
        ([.., refused], []) if sent.chunked && refused.status >= 400 && actix.end == End::Closed => {
            Some(LOST_ANSWER)
        }
        ([refused], []) if sent.long && is_bare(refused, 431) && actix.end == End::Silent => {
            Some(ENDLESS_HEAD)
        }
        ([refused], [other]) if sent.long && is_bare(refused, 431) && is_bare(other, 400) => {
            Some(ENDLESS_HEAD)
        }
        _ => None,
    }
}

/// Whether nothing but the body's being sent differs.
fn differ_by_body((one, other): (&Answer, &Answer)) -> bool {
    let heads = one.status == other.status && one.headers == other.headers;
    heads && (one.body == other.body || one.body.is_empty() || other.body.is_empty())
}

/// What the bytes give as reasons.
#[expect(clippy::struct_excessive_bools, reason = "each is a reason by itself")]
struct Sent {
    framed_twice: bool,
    ends: bool,
    other_protocol: bool,
    long: bool,
    large: bool,
    huge: bool,
    head: bool,
    trailers: bool,
    chunked: bool,
}

impl Sent {
    fn of(probe: &Probe) -> Self {
        let bytes = probe.parts.concat().to_ascii_lowercase();
        let count =
            |text: &str| bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
        // What a cut request lacks, the sentinel behind it provides.
        let trailed = [&bytes, SENTINEL].concat();
        let (lengths, codings) = (count("\ncontent-length:"), count("\ntransfer-encoding:"));
        Self {
            framed_twice: lengths > 1 || (lengths > 0 && codings > 0),
            ends: count("close") > 0 || count("http/1.0") > 0,
            other_protocol: count("websocket") > 0 || count("connect ") > 0,
            long: bytes.len() > 16 * 1024,
            large: bytes.len() > 64 * 1024,
            chunked: codings > 0,
            huge: count("184467440737095516") > 0,
            head: count("head ") > 0,
            trailers: codings > 0
                && trailed.windows(4).any(|end| end.starts_with(b"0\r\n") && end[3] != b'\r'),
        }
    }
}

/// Whether the server's own parser said it, and no row.
fn is_bare(answer: &Answer, status: u16) -> bool {
    answer.status == status && answer.body.is_empty() && answer.headers.len() == 1
}

/// Whether the connection ends with an answer of this status: the request was not read to its end.
fn ends(status: u16) -> bool {
    matches!(status, 400 | 413 | 431)
}
