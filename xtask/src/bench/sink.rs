//! The mail server of the benchmarks, which counts mails, and the yardstick of sending: lettre alone to that server.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use super::precise;

/// Connections to the mail server: the default of `mail.connections`.
pub(super) const CONNECTIONS: usize = 6;
/// Mails that lettre sends in a measurement.
const MAILS: usize = 6000;

/// An address, and when the first mail to it arrived.
type Awaited = Mutex<Option<(String, Option<Instant>)>>;

/// A mail server that counts.
pub(super) struct CountingSink {
    pub(super) address: SocketAddr,
    mails: Arc<AtomicUsize>,
    pub(super) awaited: Arc<Awaited>,
}

impl CountingSink {
    /// Starts the mail server on a free port.
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let sink = Self { address: listener.local_addr()?, mails: Arc::default(), awaited: Arc::default() };
        let (mails, awaited) = (sink.mails.clone(), sink.awaited.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (mails, awaited) = (mails.clone(), awaited.clone());
                // A client may close the connection at any time.
                thread::spawn(move || serve(stream, &mails, &awaited).ok());
            }
        });
        Ok(sink)
    }

    /// Returns the number of accepted mails.
    pub(super) fn count(&self) -> usize {
        self.mails.load(Ordering::Relaxed)
    }
}

fn serve(mut stream: TcpStream, mails: &AtomicUsize, awaited: &Awaited) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 sink\r\n")?;
    let mut recipient = String::new();
    while let Some(line) = lines.next().transpose()? {
        let reply = match line.get(..4).unwrap_or_default() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                mails.fetch_add(1, Ordering::Relaxed);
                if let Some((address, arrived @ None)) = awaited.lock().expect("no panic").as_mut()
                    && recipient.contains(address.as_str())
                {
                    *arrived = Some(Instant::now());
                }
                "250 2.0.0 kept"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            "RCPT" => {
                recipient = line;
                "250 2.1.5 ok"
            }
            _ => "250 ok",
        };
        stream.write_all(reply.as_bytes())?;
        stream.write_all(b"\r\n")?;
    }
    Ok(())
}

/// Sends mails with lettre over as many connections as the server, and returns the rate.
pub(super) fn lettre_alone(sink: &CountingSink) -> anyhow::Result<f64> {
    use lettre::{
        Address,
        message::Message,
        transport::smtp::{client::AsyncSmtpConnection, extension::ClientId},
    };
    let message = Message::builder()
        .from("Polyreset <no-reply@example.com>".parse()?)
        .to("user1@example.com".parse()?)
        .subject("Reset your password")
        .body("x".repeat(2000))?
        .formatted();
    let envelope = lettre::address::Envelope::new(
        Some("no-reply@example.com".parse::<Address>()?),
        vec!["user1@example.com".parse()?],
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let begun = Instant::now();
    runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (message, envelope, address) = (message.clone(), envelope.clone(), sink.address);
            all.spawn(async move {
                let tcp = tokio::net::TcpStream::connect(address).await?;
                tcp.set_nodelay(true)?;
                let hello = ClientId::Domain("localhost".to_owned());
                let mut connection =
                    AsyncSmtpConnection::connect_with_transport(Box::new(tcp), &hello).await?;
                for _ in 0..MAILS / CONNECTIONS {
                    connection.send(&envelope, &message).await?;
                }
                connection.quit().await?;
                anyhow::Ok(())
            });
        }
        while let Some(one) = all.join_next().await {
            one??;
        }
        anyhow::Ok(())
    })?;
    Ok(precise(MAILS / CONNECTIONS * CONNECTIONS) / begun.elapsed().as_secs_f64())
}
