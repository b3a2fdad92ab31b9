//! A mail server that takes its time, and says what a test wants it to say.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::{
    canaries,
    endpoint::Endpoint,
    mails::{self, ReceivedMail},
};

/// How long anything may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The reply to a command, or nothing for the usual one. `.` is the end of a message to the recipient.
pub type Reply = fn(command: &str, recipient: &str) -> Option<String>;

/// The mail server. It serves until the process ends.
pub struct Sink {
    address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
}

/// What it was told.
#[derive(Default)]
struct Heard {
    commands: Vec<String>,
    messages: Vec<String>,
}

impl Sink {
    /// A server that thinks for `pause` before each reply.
    ///
    /// # Errors
    /// When there is no port for it.
    pub fn start(pause: Duration, reply: Reply) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("a port for a mail server")?;
        let sink = Self { address: listener.local_addr()?, heard: Arc::default() };
        let heard = sink.heard.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let heard = heard.clone();
                // A client that hangs up early is none of the server's concern.
                thread::spawn(move || converse(stream, pause, reply, &heard));
            }
        });
        Ok(sink)
    }

    /// The setting that leads here.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Waits until so many commands began with `command`. `.` is counted when it is answered.
    pub fn wait_for(&self, command: &str, count: usize) {
        let begun = Instant::now();
        while self.count(command) < count {
            assert!(begun.elapsed() < TIMEOUT, "{command}: {:?}", lock(&self.heard).commands);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// How many commands began with `command`.
    pub fn count(&self, command: &str) -> usize {
        lock(&self.heard).commands.iter().filter(|line| line.starts_with(command)).count()
    }

    /// Every whole message that it was sent, whether or not it had answered.
    ///
    /// # Errors
    /// When one is no mail.
    pub fn letters(&self) -> anyhow::Result<Vec<ReceivedMail>> {
        lock(&self.heard).messages.iter().map(|message| mails::letter(message.as_bytes())).collect()
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn converse(
    mut stream: TcpStream,
    pause: Duration,
    reply: Reply,
    heard: &Mutex<Heard>,
) -> std::io::Result<()> {
    let here = stream.local_addr()?;
    let reader = BufReader::new(stream.try_clone()?);
    let mut say = |text: &str| {
        thread::sleep(pause);
        stream.write_all(format!("{text}\r\n").as_bytes())
    };
    let (mut recipient, mut message) = (String::new(), None::<String>);
    say("220 sink ESMTP")?;
    for line in reader.lines() {
        let line = line?;
        if let Some(message) = message.as_mut().filter(|_| line != ".") {
            // A line that begins with a point was given a second one.
            message.push_str(line.strip_prefix('.').unwrap_or(&line));
            message.push_str("\r\n");
            continue;
        }
        match message.take() {
            Some(message) => {
                if let Ok(letter) = mails::letter(message.as_bytes()) {
                    canaries::mailed(&Endpoint::Tcp(here), &letter);
                }
                lock(heard).messages.push(message);
            }
            None => lock(heard).commands.push(line.clone()),
        }
        if let Some(address) = line.strip_prefix("RCPT TO:<") {
            address.split('>').next().unwrap_or_default().clone_into(&mut recipient);
        }
        let usual = match line.get(..4).unwrap_or(&line) {
            "DATA" => "354 go ahead",
            "QUIT" => "221 bye",
            _ => "250 2.0.0 ok",
        };
        message = (line == "DATA").then(String::new);
        say(&reply(&line, &recipient).unwrap_or_else(|| usual.to_owned()))?;
        if line == "." {
            lock(heard).commands.push(line);
        }
    }
    Ok(())
}
