//! What the public API cannot show: socket options and patience.

use std::net::SocketAddr;

use lettre::transport::smtp::extension::ClientId;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use super::{
    session::{Patience, Server},
    *,
};
use crate::{Tls, Transport};

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn server(address: SocketAddr) -> Server {
    let Ok(Transport::Smtp(settings)) = Transport::parse(&format!("smtp://{address}")) else { panic!() };
    assert_eq!(settings.tls, Tls::WhenOffered);
    Server::new(settings, ClientId::Domain("localhost".to_owned())).unwrap()
}

#[tokio::test]
async fn sockets_do_not_wait_to_fill_their_packets() {
    let (_listener, address) = listener().await;
    let tcp: TcpStream = server(address).dial(&[address]).await.unwrap();
    assert!(tcp.nodelay().unwrap());
}

#[tokio::test]
async fn an_address_that_refuses_is_passed_over_for_the_next() {
    let (gone, dead) = listener().await;
    drop(gone);
    let (_listener, alive) = listener().await;
    let tcp = server(alive).dial(&[dead, alive]).await.unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), alive);
}

#[tokio::test]
async fn a_server_that_never_greets_is_a_time_out() {
    let (_listener, address) = listener().await;
    let mut server = server(address);
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
    let server = server(address);
    let (outcome, _tcp) = tokio::join!(server.open(), babble);
    assert_eq!(outcome.err().unwrap(), Stage::Hello.failed(Why::Lost));
}
