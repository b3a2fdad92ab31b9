//! Positive controls: deliberately leaky servers on loopback whose leak the tool must detect. A tool that misses a planted
//! difference cannot claim that there is none.

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread::{sleep, spawn},
    time::Duration,
};

use crate::probes;
use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::{
    Random,
    addresses::Addresses,
    client::{Client, Target},
    state::{BudgetState, GUESSES},
    statistics::{SAMPLES_MIN, Verdict, compare},
    survey::{Plan, Prober},
};

/// Requests after which the control server with a limit answers 429.
const LIMIT: usize = 5;

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
    /// The response for a known address is delayed once its budgets are spent.
    Spent,
    /// A client over its limit gets a longer wait if it asks for a known address.
    Limited,
}

/// A planted leak.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Control {
    /// Description of the leak.
    pub(crate) planted: String,
    /// Whether the tool detected it.
    pub(crate) found: bool,
}

/// Plants each leak that these states could have, delaying responses by `delay`, and measures it with a threshold in
/// microseconds.
pub(crate) fn run(
    states: &[BudgetState],
    delay: Duration,
    threshold: f64,
    random: &mut Random,
) -> Result<Vec<Control>> {
    let mut leaks = vec![Leak::Bytes, Leak::Response, Leak::Page, Leak::Next];
    leaks.extend(states.contains(&BudgetState::Spent).then_some(Leak::Spent));
    leaks.extend(states.contains(&BudgetState::Limited).then_some(Leak::Limited));
    leaks.into_iter().map(|leak| plant(leak, delay, threshold, random)).collect()
}

fn plant(leak: Leak, delay: Duration, threshold: f64, random: &mut Random) -> Result<Control> {
    let known = (10..30).map(|number| format!("planted{number}@control.invalid")).collect();
    let addresses = Addresses::with_decoys(known, None, random)?;
    let url = start(leak, delay, addresses.known.iter().cloned().collect())?;
    let mut client = Client::new(Target::parse(&url)?);
    let request = probes::usual(&reset_dialects::clients()).swap_remove(0);
    let (probe, state) = match leak {
        Leak::Page => (probes::page(), BudgetState::Fresh),
        Leak::Spent => (probes::page(), BudgetState::Spent),
        Leak::Limited => (request.clone(), BudgetState::Limited),
        Leak::Bytes | Leak::Response | Leak::Next => (request.clone(), BudgetState::Fresh),
    };
    let codes = Some(&request);
    let plan = Plan { pairs: SAMPLES_MIN, after: 1, rest: Duration::ZERO, redirect_to: None, codes, state };
    let mut prober = Prober { client: &mut client, addresses: &addresses, random };
    if state == BudgetState::Limited {
        ensure!(prober.use_up(&probe, plan)?, "the control server has a limit");
    }
    let measured = prober.measure(&probe, plan)?;
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
        Leak::Spent => (format!("{delay:?} after {GUESSES} wrong codes"), slow(&measured.responses, random)),
        Leak::Limited => {
            ("a longer wait".to_owned(), measured.collected.compare().verdict == Verdict::Different)
        }
    };
    Ok(Control { planted, found })
}

/// Starts a leaky server and returns its URL. It serves until the process ends.
fn start(leak: Leak, delay: Duration, known: HashSet<String>) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("cannot listen on loopback for a positive control")?;
    let url = format!("http://{}", listener.local_addr()?);
    let leaky = Arc::new(LeakyServer { leak, delay, known });
    spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let leaky = leaky.clone();
            // The thread ends when the client closes the connection.
            spawn(move || leaky.serve(&stream));
        }
    });
    Ok(url)
}

/// A server with a leak.
struct LeakyServer {
    leak: Leak,
    delay: Duration,
    known: HashSet<String>,
}

/// What a connection has brought so far.
#[derive(Default)]
struct History {
    previous_was_known: bool,
    /// Wrong codes per address.
    guesses: HashMap<String, usize>,
    requests: usize,
}

impl LeakyServer {
    fn serve(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        let mut history = History::default();
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
            stream.write_all(self.respond(&body, &mut history).as_bytes())?;
        }
    }

    /// Returns the response to a request with this body, late if that is the leak.
    fn respond(&self, body: &str, history: &mut History) -> String {
        let mut words = body.split(['"', '=', '&']);
        let address = words.find(|word| word.contains('@')).unwrap_or_default();
        let is_known = self.known.contains(address);
        let guesses = history.guesses.entry(address.to_owned()).or_default();
        *guesses += usize::from(body.contains("code="));
        let is_late = match self.leak {
            Leak::Response | Leak::Page => is_known,
            Leak::Next => history.previous_was_known,
            Leak::Spent => is_known && *guesses > GUESSES,
            Leak::Bytes | Leak::Limited => false,
        };
        if is_late {
            sleep(self.delay);
        }
        history.previous_was_known = is_known;
        history.requests += 1;
        let body = if self.leak == Leak::Bytes && is_known { "Ok" } else { "ok" };
        let (status, more) = match self.leak {
            Leak::Limited if history.requests > LIMIT => {
                ("429 Too Many Requests", format!("retry-after: {}\r\n", if is_known { 1800 } else { 900 }))
            }
            _ => ("200 OK", String::new()),
        };
        format!("HTTP/1.1 {status}\r\n{more}content-length: 2\r\n\r\n{body}")
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_planted_leak_is_found_and_no_other() {
        let mut random = Random::seed_from_u64(11);
        let states = [BudgetState::Fresh, BudgetState::Spent, BudgetState::Limited];
        let found = run(&states, Duration::from_millis(15), 5000.0, &mut random).unwrap();
        assert!(found.len() == 6 && found.iter().all(|control| control.found), "{found:?}");
        // The same servers without their delay.
        let found = run(&states, Duration::ZERO, 5000.0, &mut random).unwrap();
        let found: Vec<bool> = found.iter().map(|control| control.found).collect();
        assert_eq!(found, [true, false, false, false, false, true]);
        assert_eq!(run(&states[..1], Duration::ZERO, 5000.0, &mut random).unwrap().len(), 4);
    }
}
