//! Tests of socket options and timeouts, which the public API does not expose.

use std::{future::pending, io, net::SocketAddr};

use lettre::transport::smtp::extension::ClientId;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{
    session::{Server, Timeouts, interleaved},
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
    Server::new(settings, ClientId::Domain("localhost".to_owned())).unwrap()
}

#[tokio::test]
async fn sockets_have_tcp_nodelay_set() {
    let (_listener, address) = listener().await;
    let tcp: TcpStream = server(&format!("smtp://{address}")).dial(&[address]).await.unwrap();
    assert!(tcp.nodelay().unwrap());
}

#[tokio::test]
async fn refusing_address_is_skipped_for_the_next() {
    let (closed, dead) = listener().await;
    drop(closed);
    let (_listener, alive) = listener().await;
    let tcp = server(&format!("smtp://{alive}")).dial(&[dead, alive]).await.unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), alive);
}

/// Connects, except to `dead`, which drops every packet.
async fn connect_past(dead: SocketAddr, address: SocketAddr) -> io::Result<TcpStream> {
    if address == dead { pending().await } else { TcpStream::connect(address).await }
}

#[tokio::test]
async fn silent_address_is_skipped_for_the_next() {
    let dead = "192.0.2.1:25".parse().unwrap();
    let (_listener, alive) = listener().await;
    let mut server = server(&format!("smtp://{alive}"));
    server.timeouts = Timeouts { connect: MOMENT, stage: 20 * MOMENT, ..Timeouts::default() };
    let tcp = server.dial_with(|address| connect_past(dead, address), &[dead, alive]).await.unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), alive);
}

#[tokio::test]
async fn silent_addresses_share_the_timeout_of_one_stage() {
    let dead = "192.0.2.1:25".parse().unwrap();
    let (_listener, alive) = listener().await;
    let mut server = server(&format!("smtp://{alive}"));
    server.timeouts = Timeouts { connect: MOMENT, stage: 3 * MOMENT, ..Timeouts::default() };
    let mut addresses = vec![dead; 100];
    addresses.push(alive);
    let failure = server.dial_with(|address| connect_past(dead, address), &addresses).await.err();
    assert_eq!(failure, Some(Stage::Tcp.failed(Cause::Timeout)));
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
    let mut smtp = Smtp::new(settings, ClientId::Domain("localhost".to_owned())).unwrap();
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
async fn idle_connection_that_fell_silent_is_replaced_transparently() {
    // The first mail is `EHLO`, `MAIL`, `RCPT`, `DATA`, `hello` and `.`.
    for silent_from in [6, 7, 8] {
        let reply = move |number, line: &str| friendly(line).filter(|_| number < silent_from);
        let timeouts =
            Timeouts { after_idle: MOMENT, stage: 4 * MOMENT, total: 40 * MOMENT, ..Timeouts::default() };
        let (smtp, lines) = relay(timeouts, reply).await;
        for _ in 0..2 {
            assert_eq!(
                smtp.send(&ComposedMail::sample()).await.unwrap().to_string(),
                "250 2.0.0",
                "{silent_from}"
            );
        }
        assert_eq!(lines.lock().unwrap().len(), 2, "{silent_from}");
    }
}

#[tokio::test]
async fn first_command_on_an_idle_connection_has_a_short_timeout() {
    let timeouts = Timeouts { after_idle: MOMENT, total: 40 * MOMENT, ..Timeouts::default() };
    let (smtp, lines) = relay(timeouts, |number, line| friendly(line).filter(|_| number < 6)).await;
    for _ in 0..2 {
        assert_eq!(smtp.send(&ComposedMail::sample()).await.unwrap().to_string(), "250 2.0.0");
    }
    assert_eq!(lines.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn silence_on_a_fresh_connection_is_a_timeout() {
    let timeouts = Timeouts { stage: 10 * MOMENT, ..Timeouts::default() };
    let (smtp, lines) = relay(timeouts, |number, line| friendly(line).filter(|_| number < 1)).await;
    assert_eq!(smtp.send(&ComposedMail::sample()).await, Err(Stage::Mail.failed(Cause::Timeout)));
    assert_eq!(lines.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn rejection_is_returned_without_waiting_for_rset() {
    let reply = |_, line: &str| match &line[..4] {
        "RCPT" => Some("550 5.1.1 unknown"),
        "RSET" => None,
        _ => friendly(line),
    };
    let timeouts = Timeouts { after_idle: MOMENT, total: 20 * MOMENT, ..Timeouts::default() };
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
    let mut server = server(&format!("smtp://{address}"));
    server.timeouts = Timeouts { stage: Duration::from_millis(20), ..Timeouts::default() };
    let failure = server.open().await.err().unwrap();
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
    let (outcome, _tcp) = tokio::join!(server.open(), http_server);
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
        let mut session = server.greet(server.dial(&[address]).await?).await?;
        // Pretend that the server is remote: the test has no other machine.
        assert!(session.loopback);
        session.loopback = false;
        server.start_tls(&mut session).await?;
        server.log_in(&mut session).await
    };
    let (outcome, mut relay) = tokio::join!(conversation, relay);
    assert_eq!(outcome, Err(Stage::Auth.failed(Cause::Plaintext)));
    let mut received = String::new();
    relay.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "");
}
