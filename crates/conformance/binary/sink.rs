//! A mail server that takes its time, and says what a test wants it to say.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// The reply to a command, or nothing for the usual one. `.` is the end of a message to the recipient.
pub(super) type Reply = fn(command: &str, recipient: &str) -> Option<String>;

/// The mail server. It serves until the process ends.
pub(super) struct Sink {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Sink {
    /// A server that thinks for `pause` before each reply.
    pub(super) fn start(pause: Duration, reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = Self { address: listener.local_addr().unwrap(), lines: Arc::default() };
        let lines = sink.lines.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let lines = lines.clone();
                // A client that hangs up early is none of the server's concern.
                thread::spawn(move || converse(stream, pause, reply, &lines));
            }
        });
        sink
    }

    /// The setting that leads here.
    pub(super) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Waits until so many commands began with `command`. `.` is counted when it is answered.
    pub(super) fn wait_for(&self, command: &str, count: usize) {
        let begun = Instant::now();
        while self.count(command) < count {
            assert!(begun.elapsed() < super::PATIENCE, "{command}: {:?}", self.lines.lock().unwrap());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// How many commands began with `command`.
    pub(super) fn count(&self, command: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.starts_with(command)).count()
    }
}

fn converse(
    mut stream: TcpStream,
    pause: Duration,
    reply: Reply,
    lines: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let reader = BufReader::new(stream.try_clone()?);
    let mut say = |text: &str| {
        thread::sleep(pause);
        stream.write_all(format!("{text}\r\n").as_bytes())
    };
    let (mut recipient, mut message) = (String::new(), false);
    say("220 sink ESMTP")?;
    for line in reader.lines() {
        let line = line?;
        if message && line != "." {
            continue;
        }
        if line != "." {
            lines.lock().unwrap().push(line.clone());
        }
        if let Some(address) = line.strip_prefix("RCPT TO:<") {
            address.split('>').next().unwrap_or_default().clone_into(&mut recipient);
        }
        let usual = match line.get(..4).unwrap_or(&line) {
            "DATA" => "354 go ahead",
            "QUIT" => "221 bye",
            _ => "250 2.0.0 ok",
        };
        message = line == "DATA";
        say(&reply(&line, &recipient).unwrap_or_else(|| usual.to_owned()))?;
        if line == "." {
            lines.lock().unwrap().push(line);
        }
    }
    Ok(())
}
