//! Positive controls: deliberately leaky servers on loopback whose leak the tool must detect. A tool that misses a planted
//! difference cannot claim that there is none.

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
    Random,
    addresses::Addresses,
    client::{Client, Target},
    statistics::{SAMPLES_MIN, Verdict, compare},
    survey::{Plan, Prober},
};

/// Leak of a control server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leak {
    /// Known addresses get a different body.
    Bytes,
    /// The response for a known address is delayed.
    Response,
    /// The same on the page, where the address is a field of a form.
    Page,
    /// The response to the request after one for a known address is delayed.
    Next,
}

/// A planted leak.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Control {
    /// Description of the leak.
    pub(crate) planted: String,
    /// Whether the tool detected it.
    pub(crate) found: bool,
}

/// Plants each leak, delaying responses by `delay`, and measures it with a threshold in microseconds.
pub(crate) fn run(delay: Duration, threshold: f64, random: &mut Random) -> Result<Vec<Control>> {
    [Leak::Bytes, Leak::Response, Leak::Page, Leak::Next]
        .into_iter()
        .map(|leak| plant(leak, delay, threshold, random))
        .collect()
}

fn plant(leak: Leak, delay: Duration, threshold: f64, random: &mut Random) -> Result<Control> {
    let known = (10..30).map(|number| format!("planted{number}@control.invalid")).collect();
    let addresses = Addresses::with_decoys(known, None, random)?;
    let url = start(leak, delay, addresses.known.iter().cloned().collect())?;
    let mut client = Client::new(Target::parse(&url)?);
    let request = probes::usual(&reset_dialects::clients()).swap_remove(0);
    let probe = if leak == Leak::Page { probes::page() } else { request.clone() };
    let codes = Some(&request);
    let plan = Plan { pairs: SAMPLES_MIN, after: 1, rest: Duration::ZERO, redirect_to: None, codes };
    let measured = Prober { client: &mut client, addresses: &addresses, random }.measure(&probe, plan)?;
    let slow = |samples: &[_], random: &mut Random| {
        compare(samples, threshold, 0.0, random)
            .quantiles
            .iter()
            .any(|quantile| quantile.verdict == Verdict::Different)
    };
    let (planted, found) = match leak {
        Leak::Bytes => ("one byte".to_owned(), measured.collected.compare().verdict == Verdict::Different),
        Leak::Response => (format!("{delay:?} in the response"), slow(&measured.responses, random)),
        Leak::Page => (format!("{delay:?} in the response to a form"), slow(&measured.responses, random)),
        Leak::Next => (format!("{delay:?} in the next response"), slow(&measured.next, random)),
    };
    Ok(Control { planted, found })
}

/// Starts a leaky server and returns its URL. It serves until the process ends.
fn start(leak: Leak, delay: Duration, known: HashSet<String>) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("cannot listen on loopback for a positive control")?;
    let url = format!("http://{}", listener.local_addr()?);
    let known = Arc::new(known);
    spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let known = known.clone();
            // The thread ends when the client closes the connection.
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
    let mut previous_was_known = false;
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
        let body = String::from_utf8_lossy(&body).replace("%40", "@");
        let is_known = body.split(['"', '=', '&']).any(|word| known.contains(word));
        let (late, leaky) = match leak {
            Leak::Bytes => (false, is_known),
            Leak::Response | Leak::Page => (is_known, false),
            Leak::Next => (previous_was_known, false),
        };
        if late {
            sleep(delay);
        }
        previous_was_known = is_known;
        let body = if leaky { "Ok" } else { "ok" };
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{body}").as_bytes())?;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_planted_leak_is_found_and_no_other() {
        let mut random = Random::seed_from_u64(11);
        let found = run(Duration::from_millis(15), 5000.0, &mut random).unwrap();
        assert!(found.iter().all(|control| control.found), "{found:?}");
        // The same servers without their delay.
        let found = run(Duration::ZERO, 5000.0, &mut random).unwrap();
        let found: Vec<bool> = found.iter().map(|control| control.found).collect();
        assert_eq!(found, [true, false, false, false]);
    }
}
