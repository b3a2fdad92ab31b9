//! An SMTP server for tests, with a configurable delay and scripted replies.

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
    endpoint::ServerAddress,
    mails::{self, ReceivedMail},
};

/// Timeout of any wait, generous for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns the reply to a command, or `None` for the default reply. The command `.` is the end of a message to
/// `recipient`.
pub type Reply = fn(command: &str, recipient: &str) -> Option<String>;

/// The SMTP server. It runs until the process ends.
pub struct Sink {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
}

/// Commands and messages received so far.
#[derive(Default)]
struct Received {
    commands: Vec<String>,
    messages: Vec<String>,
}

impl Sink {
    /// Starts a server that waits for `pause` before each reply.
    ///
    /// # Errors
    /// Fails if no port is free.
    pub fn start(pause: Duration, reply: Reply) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("a port for a mail server")?;
        let sink = Self { address: listener.local_addr()?, received: Arc::default() };
        let received = sink.received.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let received = received.clone();
                // Errors are ignored: a client may close the connection early.
                thread::spawn(move || serve_client(stream, pause, reply, &received));
            }
        });
        Ok(sink)
    }

    /// Returns the URL of the server for `mail_url`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Waits until `count` commands that start with `command` were received. `.` counts after its reply was sent.
    pub fn wait_for(&self, command: &str, count: usize) {
        let started = Instant::now();
        while self.count(command) < count {
            assert!(started.elapsed() < TIMEOUT, "{command}: {:?}", lock(&self.received).commands);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Returns how many commands that start with `command` were received.
    pub fn count(&self, command: &str) -> usize {
        lock(&self.received).commands.iter().filter(|line| line.starts_with(command)).count()
    }

    /// Returns every complete message, including those without a reply so far.
    ///
    /// # Errors
    /// Fails if a message cannot be parsed.
    pub fn letters(&self) -> anyhow::Result<Vec<ReceivedMail>> {
        lock(&self.received).messages.iter().map(|message| mails::parse(message.as_bytes())).collect()
    }
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve_client(
    mut stream: TcpStream,
    pause: Duration,
    reply: Reply,
    received: &Mutex<Received>,
) -> std::io::Result<()> {
    let local_address = stream.local_addr()?;
    let reader = BufReader::new(stream.try_clone()?);
    let mut send = |text: &str| {
        thread::sleep(pause);
        stream.write_all(format!("{text}\r\n").as_bytes())
    };
    let (mut recipient, mut message) = (String::new(), None::<String>);
    send("220 sink ESMTP")?;
    for line in reader.lines() {
        let line = line?;
        if let Some(message) = message.as_mut().filter(|_| line != ".") {
            // A leading dot was doubled by the client (RFC 5321, 4.5.2).
            message.push_str(line.strip_prefix('.').unwrap_or(&line));
            message.push_str("\r\n");
            continue;
        }
        match message.take() {
            Some(message) => {
                if let Ok(mail) = mails::parse(message.as_bytes()) {
                    canaries::record_smtp_mail(&ServerAddress::Tcp(local_address), &mail);
                }
                lock(received).messages.push(message);
            }
            None => lock(received).commands.push(line.clone()),
        }
        if let Some(address) = line.strip_prefix("RCPT TO:<") {
            address.split('>').next().unwrap_or_default().clone_into(&mut recipient);
        }
        let default = match line.get(..4).unwrap_or(&line) {
            "DATA" => "354 go ahead",
            "QUIT" => "221 bye",
            _ => "250 2.0.0 ok",
        };
        message = (line == "DATA").then(String::new);
        send(&reply(&line, &recipient).unwrap_or_else(|| default.to_owned()))?;
        if line == "." {
            lock(received).commands.push(line);
        }
    }
    Ok(())
}
