//! What the public API cannot show: socket options and patience.

use std::{future::pending, io, net::SocketAddr};

use lettre::transport::smtp::extension::ClientId;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{
    session::{Patience, Server, by_turns},
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
async fn sockets_do_not_wait_to_fill_their_packets() {
    let (_listener, address) = listener().await;
    let tcp: TcpStream = server(&format!("smtp://{address}")).dial(&[address]).await.unwrap();
    assert!(tcp.nodelay().unwrap());
}

#[tokio::test]
async fn an_address_that_refuses_is_passed_over_for_the_next() {
    let (gone, dead) = listener().await;
    drop(gone);
    let (_listener, alive) = listener().await;
    let tcp = server(&format!("smtp://{alive}")).dial(&[dead, alive]).await.unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), alive);
}

/// Connects, except to `dead`, which drops every packet.
async fn connect_past(dead: SocketAddr, address: SocketAddr) -> io::Result<TcpStream> {
    if address == dead { pending().await } else { TcpStream::connect(address).await }
}

#[tokio::test]
async fn an_address_that_says_nothing_is_passed_over_for_the_next() {
    let dead = "192.0.2.1:25".parse().unwrap();
    let (_listener, alive) = listener().await;
    let mut server = server(&format!("smtp://{alive}"));
    server.patience = Patience { connect: MOMENT, stage: 20 * MOMENT, ..Patience::default() };
    let tcp = server.dial_by(|address| connect_past(dead, address), &[dead, alive]).await.unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), alive);
}

#[tokio::test]
async fn many_addresses_that_say_nothing_have_one_stage_together() {
    let dead = "192.0.2.1:25".parse().unwrap();
    let (_listener, alive) = listener().await;
    let mut server = server(&format!("smtp://{alive}"));
    server.patience = Patience { connect: MOMENT, stage: 3 * MOMENT, ..Patience::default() };
    let mut addresses = vec![dead; 100];
    addresses.push(alive);
    let failure = server.dial_by(|address| connect_past(dead, address), &addresses).await.err();
    assert_eq!(failure, Some(Stage::Tcp.failed(Why::Timeout)));
}

#[test]
fn both_families_are_tried_early() {
    let parse = |addresses: &[&str]| -> Vec<SocketAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    };
    let found = parse(&["[::1]:25", "[::2]:25", "[::3]:25", "1.0.0.1:25", "1.0.0.2:25"]);
    let wanted = parse(&["[::1]:25", "1.0.0.1:25", "[::2]:25", "1.0.0.2:25", "[::3]:25"]);
    assert_eq!(by_turns(found), wanted);
}

/// A server that answers each line by its number on the connection and its text, or not at all. It greets,
/// and takes the message as one line. Returns how to send there, and the lines it gets, by connection.
async fn relay(
    patience: Patience,
    answer: impl Fn(usize, &str) -> Option<&'static str> + Clone + Send + 'static,
) -> (Arc<Smtp>, Arc<Mutex<Vec<Vec<String>>>>) {
    let (listener, address) = listener().await;
    let lines: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let heard = lines.clone();
    tokio::spawn(async move {
        for connection in 0.. {
            let (tcp, _) = listener.accept().await.unwrap();
            let (heard, answer) = (heard.clone(), answer.clone());
            heard.lock().unwrap().push(Vec::new());
            tokio::spawn(async move {
                let mut tcp = BufReader::new(tcp);
                let _ = tcp.write_all(b"220 relay\r\n").await;
                let mut line = String::new();
                while tcp.read_line(&mut line).await.is_ok_and(|length| length > 0) {
                    let number = heard.lock().unwrap()[connection].len();
                    heard.lock().unwrap()[connection].push(line.trim_end().to_owned());
                    if let Some(reply) = answer(number, &line) {
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
    Arc::get_mut(&mut smtp).unwrap().server.patience = patience;
    (smtp, lines)
}

/// What a friendly server says.
fn friendly(line: &str) -> Option<&'static str> {
    match line.trim_end() {
        "DATA" => Some("354 go on"),
        "hello" => None,
        _ => Some("250 2.0.0 fine"),
    }
}

#[tokio::test]
async fn a_connection_that_fell_silent_while_idle_is_replaced_without_a_word() {
    // `EHLO`, `MAIL`, `RCPT`, `DATA`, `hello` and `.` are the first mail.
    for silent_from in [6, 7, 8] {
        let answer = move |number, line: &str| friendly(line).filter(|_| number < silent_from);
        let patience =
            Patience { rested: MOMENT, stage: 4 * MOMENT, whole: 40 * MOMENT, ..Patience::default() };
        let (smtp, lines) = relay(patience, answer).await;
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
async fn the_first_command_after_a_rest_has_little_time() {
    let patience = Patience { rested: MOMENT, whole: 40 * MOMENT, ..Patience::default() };
    let (smtp, lines) = relay(patience, |number, line| friendly(line).filter(|_| number < 6)).await;
    for _ in 0..2 {
        assert_eq!(smtp.send(&ComposedMail::sample()).await.unwrap().to_string(), "250 2.0.0");
    }
    assert_eq!(lines.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn silence_on_a_fresh_connection_is_a_time_out() {
    let patience = Patience { stage: 10 * MOMENT, ..Patience::default() };
    let (smtp, lines) = relay(patience, |number, line| friendly(line).filter(|_| number < 1)).await;
    assert_eq!(smtp.send(&ComposedMail::sample()).await, Err(Stage::Mail.failed(Why::Timeout)));
    assert_eq!(lines.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_stands_however_slow_the_server_forgets() {
    let refuse = |_, line: &str| match &line[..4] {
        "RCPT" => Some("550 5.1.1 unknown"),
        "RSET" => None,
        _ => friendly(line),
    };
    let patience = Patience { rested: MOMENT, whole: 20 * MOMENT, ..Patience::default() };
    let (smtp, lines) = relay(patience, refuse).await;
    for _ in 0..2 {
        let refused = Stage::Rcpt.failed(Why::Reply(Reply::new(550, "5.1.1")));
        assert_eq!(smtp.send(&ComposedMail::sample()).await, Err(refused));
    }
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].last().unwrap(), "RSET");
    assert_eq!(lines[1].last().unwrap(), "RCPT TO:<ada@example.org>");
}

#[tokio::test]
async fn a_server_that_refuses_to_forget_is_asked_afresh() {
    let refuse = |number, line: &str| match &line[..4] {
        "RCPT" if number == 2 => Some("550 5.1.1 unknown"),
        "RSET" => Some("502 5.5.1 what?"),
        _ => friendly(line),
    };
    let (smtp, lines) = relay(Patience::default(), refuse).await;
    for _ in 0..2 {
        assert!(smtp.send(&ComposedMail::sample()).await.is_err_and(|failure| failure.stage == Stage::Rcpt));
    }
    assert_eq!(lines.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_server_that_never_greets_is_a_time_out() {
    let (_listener, address) = listener().await;
    let mut server = server(&format!("smtp://{address}"));
    server.patience = Patience { stage: Duration::from_millis(20), ..Patience::default() };
    let failure = server.open().await.err().unwrap();
    assert_eq!(failure, Stage::Hello.failed(Why::Timeout));
}

#[tokio::test]
async fn a_server_that_greets_with_babble_is_a_lost_connection() {
    let (listener, address) = listener().await;
    let babble = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tcp
    };
    let server = server(&format!("smtp://{address}"));
    let (outcome, _tcp) = tokio::join!(server.open(), babble);
    assert_eq!(outcome.err().unwrap(), Stage::Hello.failed(Why::Lost));
}

#[tokio::test]
async fn a_password_never_leaves_the_machine_in_plain_text() {
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
        // As if it came from elsewhere: the test has no other machine.
        assert!(session.loopback);
        session.loopback = false;
        server.secure(&mut session).await?;
        server.log_in(&mut session).await
    };
    let (outcome, mut relay) = tokio::join!(conversation, relay);
    assert_eq!(outcome, Err(Stage::Auth.failed(Why::InClear)));
    let mut heard = String::new();
    relay.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "");
}
