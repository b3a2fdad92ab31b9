//! Positive controls: servers of this program's own on loopback that leak, each in one way, and must be found out.
//! What cannot find a planted difference cannot vouch for there being none.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread::{sleep, spawn},
    time::Duration,
};

use crate::probes;
use anyhow::{Context, Result};
use serde::Serialize;

use super::{
    addresses::Addresses,
    chance::Chance,
    client::{Client, Target},
    statistics::{LEAST, Verdict, compare},
    survey::{Plan, Survey},
};

/// How a server leaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leak {
    /// Known addresses get another body.
    Bytes,
    /// The answer to a known address comes late.
    Answer,
    /// The answer to whoever asks after one who was known comes late.
    Next,
}

/// A leak that was planted.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Control {
    /// What was planted.
    pub(crate) planted: String,
    /// Whether it was found.
    pub(crate) found: bool,
}

/// Plants each leak, late ones by `delay`, and looks for it with `threshold` microseconds.
pub(crate) fn run(delay: Duration, threshold: f64, chance: &mut Chance) -> Result<Vec<Control>> {
    [Leak::Bytes, Leak::Answer, Leak::Next]
        .into_iter()
        .map(|leak| plant(leak, delay, threshold, chance))
        .collect()
}

fn plant(leak: Leak, delay: Duration, threshold: f64, chance: &mut Chance) -> Result<Control> {
    let known = (10..30).map(|number| format!("planted{number}@control.invalid")).collect();
    let addresses = Addresses::twins(known, None, chance)?;
    let url = start(leak, delay, addresses.known.iter().cloned().collect())?;
    let mut client = Client::new(Target::parse(&url)?);
    let question = probes::usual(&reset_dialects::clients()).swap_remove(0);
    let plan = Plan { pairs: LEAST, after: 1, rest: Duration::ZERO, redirect_to: None, codes: None };
    let measured = Survey { client: &mut client, addresses: &addresses, chance }.measure(&question, plan)?;
    let slow = |samples: &[_], chance: &mut Chance| {
        compare(samples, threshold, 0.0, chance).quantiles.iter().any(|one| one.verdict == Verdict::Different)
    };
    let (planted, found) = match leak {
        Leak::Bytes => ("one byte".to_owned(), measured.gathered.compare().verdict == Verdict::Different),
        Leak::Answer => (format!("{delay:?} in the answer"), slow(&measured.answers, chance)),
        Leak::Next => (format!("{delay:?} in the next answer"), slow(&measured.next, chance)),
    };
    Ok(Control { planted, found })
}

/// Starts a server that leaks; its URL. It serves until the program ends.
fn start(leak: Leak, delay: Duration, known: HashSet<String>) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a port for a control")?;
    let url = format!("http://{}", listener.local_addr()?);
    let known = Arc::new(known);
    spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let known = known.clone();
            // A client that hangs up ends its thread.
            spawn(move || serve(&stream, leak, delay, &known));
        }
    });
    Ok(url)
}

fn serve(
    mut stream: &TcpStream,
    leak: Leak,
    delay: Duration,
    known: &HashSet<String>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut before = false;
    loop {
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some(number) = line.strip_prefix("content-length: ") {
                length = number.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body);
        let is_known = body.split('"').any(|word| known.contains(word));
        let (late, leaky) = match leak {
            Leak::Bytes => (false, is_known),
            Leak::Answer => (is_known, false),
            Leak::Next => (before, false),
        };
        if late {
            sleep(delay);
        }
        before = is_known;
        let body = if leaky { "Ok" } else { "ok" };
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{body}").as_bytes())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leak_is_found_and_none_where_nothing_leaks() {
        let mut chance = Chance::new(11);
        let found = run(Duration::from_millis(15), 5000.0, &mut chance).unwrap();
        assert!(found.iter().all(|control| control.found), "{found:?}");
        // The same servers without their delay.
        let found = run(Duration::ZERO, 5000.0, &mut chance).unwrap();
        let found: Vec<bool> = found.iter().map(|control| control.found).collect();
        assert_eq!(found, [true, false, false]);
    }
}
