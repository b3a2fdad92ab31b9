//! Tests of socket options and timeouts, which the public API does not expose.

use std::{future::pending, io, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{
    server::{dial_with, interleaved},
    timeouts::Timeouts,
    *,
};
use crate::TransportConfig;

const MOMENT: Duration = Duration::from_millis(50);

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn server(mail_url: &str) -> Server {
    let Ok(TransportConfig::Smtp(settings)) = TransportConfig::parse(mail_url) else { panic!("{mail_url}") };
    Server::new(settings, "localhost".to_owned()).unwrap()
}

#[tokio::test]
async fn sockets_have_tcp_nodelay_set() {
    let (_listener, address) = listener().await;
    let tcp: TcpStream =
        server(&format!("smtp://{address}")).dial(Timeouts::default(), &[address]).await.unwrap();
    assert!(tcp.nodelay().unwrap());
}

#[tokio::test]
async fn refusing_address_is_skipped_for_the_next() {
    let (closed, dead) = listener().await;
    drop(closed);
    let (_listener, alive) = listener().await;
    let tcp = server(&format!("smtp://{alive}")).dial(Timeouts::default(), &[dead, alive]).await.unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), alive);
}

/// Connects, except to `dead`, which drops every packet.
async fn connect_past(dead: SocketAddr, address: SocketAddr) -> io::Result<TcpStream> {
    if address == dead { pending().await } else { TcpStream::connect(address).await }
}

#[tokio::test(start_paused = true)]
async fn silent_address_delays_a_mail_by_its_head_start_only() {
    let dead = "192.0.2.1:25".parse().unwrap();
    let (_listener, alive) = listener().await;
    let begun = Instant::now();
    let connect = move |address| connect_past(dead, address);
    let tcp = dial_with(Timeouts::default(), connect, &[dead, alive]).await.unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), alive);
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn silent_addresses_share_one_timeout() {
    let dead = "192.0.2.1:25".parse().unwrap();
    let begun = Instant::now();
    let connect = move |address| connect_past(dead, address);
    let failure = dial_with(Timeouts::default(), connect, &vec![dead; 100]).await.err();
    assert_eq!(failure, Some(Stage::Tcp.failed(Cause::Timeout)));
    assert_eq!(begun.elapsed(), Timeouts::default().dial);
}

#[test]
fn addresses_alternate_between_the_families() {
    let parse = |addresses: &[&str]| -> Vec<SocketAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    };
    let resolved = parse(&["[::1]:25", "[::2]:25", "[::3]:25", "1.0.0.1:25", "1.0.0.2:25"]);
    let expected = parse(&["[::1]:25", "1.0.0.1:25", "[::2]:25", "1.0.0.2:25", "[::3]:25"]);
    assert_eq!(interleaved(resolved), expected);
}

/// Starts a server that replies to each line according to `reply`, which gets the line's number on the connection and
/// its text. It greets, and reads the message as one line. Returns the transport to it, and the received lines per
/// connection.
async fn relay(
    timeouts: Timeouts,
    reply: impl Fn(usize, &str) -> Option<&'static str> + Clone + Send + 'static,
) -> (Arc<Smtp>, Arc<Mutex<Vec<Vec<String>>>>) {
    let (listener, address) = listener().await;
    let lines: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let received = lines.clone();
    tokio::spawn(async move {
        for connection in 0.. {
            let (tcp, _) = listener.accept().await.unwrap();
            let (received, reply) = (received.clone(), reply.clone());
            received.lock().unwrap().push(Vec::new());
            tokio::spawn(async move {
                let mut tcp = BufReader::new(tcp);
                let _ = tcp.write_all(b"220 relay\r\n").await;
                let mut line = String::new();
                while tcp.read_line(&mut line).await.is_ok_and(|length| length > 0) {
                    let number = received.lock().unwrap()[connection].len();
                    received.lock().unwrap()[connection].push(line.trim_end().to_owned());
                    if let Some(reply) = reply(number, &line) {
                        let _ = tcp.write_all(format!("{reply}\r\n").as_bytes()).await;
                    }
                    line.clear();
                }
            });
        }
    });
    let Ok(TransportConfig::Smtp(settings)) = TransportConfig::parse(&format!("smtp://{address}")) else {
        panic!()
    };
    let mut smtp = Smtp::new(settings, "localhost".to_owned()).unwrap();
    Arc::get_mut(&mut smtp).unwrap().server.timeouts = timeouts;
    (smtp, lines)
}

/// Returns the replies of a server that accepts everything.
fn friendly(line: &str) -> Option<&'static str> {
    match line.trim_end() {
        "DATA" => Some("354 go on"),
        "hello" => None,
        _ => Some("250 2.0.0 fine"),
    }
}

#[tokio::test]
async fn idle_connection_that_fell_silent_is_replaced_within_a_short_timeout() {
    // The first mail is `EHLO`, `MAIL`, `RCPT`, `DATA`, `hello` and `.`.
    let timeouts = Timeouts { after_idle: MOMENT, ..Timeouts::default() };
    let (smtp, lines) = relay(timeouts, |number, line| friendly(line).filter(|_| number < 6)).await;
    for _ in 0..2 {
        assert_eq!(smtp.send(&ComposedMail::sample()).await.unwrap().to_string(), "250 2.0.0");
    }
    assert_eq!(lines.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn silence_on_a_fresh_connection_is_a_timeout() {
    let timeouts = Timeouts { command: 10 * MOMENT, ..Timeouts::default() };
    let (smtp, lines) = relay(timeouts, |number, line| friendly(line).filter(|_| number < 1)).await;
    assert_eq!(smtp.send(&ComposedMail::sample()).await, Err(Stage::Mail.failed(Cause::Timeout)));
    assert_eq!(lines.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn silence_after_the_recipient_is_a_timeout_on_a_reused_connection_too() {
    let timeouts = Timeouts { command: 10 * MOMENT, data: 10 * MOMENT, ..Timeouts::default() };
    for (silent_from, stage) in [(7, Stage::Rcpt), (8, Stage::Data)] {
        let (smtp, lines) =
            relay(timeouts, move |number, line| friendly(line).filter(|_| number < silent_from)).await;
        smtp.send(&ComposedMail::sample()).await.unwrap();
        assert_eq!(smtp.send(&ComposedMail::sample()).await, Err(stage.failed(Cause::Timeout)));
        assert_eq!(lines.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn mail_waits_for_its_reply_longer_than_any_other_stage() {
    let short = Timeouts::default().capped(MOMENT);
    let (smtp, _lines) = relay(short, |_, line| friendly(line).filter(|_| line.trim_end() != ".")).await;
    let sending = smtp.clone();
    let mail = tokio::spawn(async move { sending.send(&ComposedMail::sample()).await });
    sleep(10 * MOMENT).await;
    assert!(!mail.is_finished());
    mail.abort();
}

#[tokio::test]
async fn silence_behind_the_final_dot_is_a_timeout_of_the_message() {
    let timeouts = Timeouts { message: MOMENT, ..Timeouts::default() };
    let (smtp, lines) = relay(timeouts, |_, line| friendly(line).filter(|_| line.trim_end() != ".")).await;
    assert_eq!(smtp.send(&ComposedMail::sample()).await, Err(Stage::Message.failed(Cause::Timeout)));
    assert_eq!(lines.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn rejection_is_returned_without_waiting_for_rset() {
    let reply = |_, line: &str| match &line[..4] {
        "RCPT" => Some("550 5.1.1 unknown"),
        "RSET" => None,
        _ => friendly(line),
    };
    let timeouts = Timeouts { after_idle: MOMENT, ..Timeouts::default() };
    let (smtp, lines) = relay(timeouts, reply).await;
    for _ in 0..2 {
        let rejected = Stage::Rcpt.failed(Cause::Reply(Reply::new(550, "5.1.1")));
        assert_eq!(smtp.send(&ComposedMail::sample()).await, Err(rejected));
    }
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].last().unwrap(), "RSET");
    assert_eq!(lines[1].last().unwrap(), "RCPT TO:<ada@example.org>");
}

#[tokio::test]
async fn rejected_rset_leads_to_a_new_connection() {
    let reply = |number, line: &str| match &line[..4] {
        "RCPT" if number == 2 => Some("550 5.1.1 unknown"),
        "RSET" => Some("502 5.5.1 what?"),
        _ => friendly(line),
    };
    let (smtp, lines) = relay(Timeouts::default(), reply).await;
    for _ in 0..2 {
        assert!(smtp.send(&ComposedMail::sample()).await.is_err_and(|failure| failure.stage == Stage::Rcpt));
    }
    assert_eq!(lines.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn server_that_never_greets_is_a_timeout() {
    let (_listener, address) = listener().await;
    let timeouts = Timeouts { command: MOMENT, ..Timeouts::default() };
    let failure = server(&format!("smtp://{address}")).open(timeouts, || {}).await.err().unwrap();
    assert_eq!(failure, Stage::Hello.failed(Cause::Timeout));
}

#[tokio::test]
async fn greeting_that_is_not_smtp_is_a_lost_connection() {
    let (listener, address) = listener().await;
    let http_server = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tcp
    };
    let server = server(&format!("smtp://{address}"));
    let (outcome, _tcp) = tokio::join!(server.open(Timeouts::default(), || {}), http_server);
    assert_eq!(outcome.err().unwrap(), Stage::Hello.failed(Cause::Lost));
}

#[tokio::test]
async fn password_never_leaves_the_machine_in_plain_text() {
    let (listener, address) = listener().await;
    let relay = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut tcp = BufReader::new(tcp);
        tcp.write_all(b"220 relay\r\n").await.unwrap();
        let mut ehlo = String::new();
        tcp.read_line(&mut ehlo).await.unwrap();
        tcp.write_all(b"250-relay\r\n250 AUTH PLAIN\r\n").await.unwrap();
        tcp
    };
    let server = server(&format!("smtp://user:pass@{address}"));
    let conversation = async {
        let timeouts = Timeouts::default();
        let mut session = server.greet(timeouts, server.dial(timeouts, &[address]).await?).await?;
        // Pretend that the server is remote: the test has no other machine.
        assert!(session.loopback);
        session.loopback = false;
        let mut session = server.start_tls(session).await?;
        server.log_in(&mut session).await
    };
    let (outcome, mut relay) = tokio::join!(conversation, relay);
    assert_eq!(outcome, Err(Stage::Auth.failed(Cause::Plaintext)));
    let mut received = String::new();
    relay.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "");
}
