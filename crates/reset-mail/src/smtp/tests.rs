//! What the public API cannot show: socket options and patience.

use std::net::SocketAddr;

use lettre::transport::smtp::extension::ClientId;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{
    session::{Patience, Server},
    *,
};
use crate::Transport;

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn server(mail_url: &str) -> Server {
    let Ok(Transport::Smtp(settings)) = Transport::parse(mail_url) else { panic!("{mail_url}") };
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
