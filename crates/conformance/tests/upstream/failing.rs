//! A back end that does not answer, and clients that do not finish.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use conformance::http::{Connection, RawResponse, get};
use reset_http::{BODY_TIMEOUT, ServeOptions};

use super::{
    BackEnd, RunningServer, TIMEOUT,
    bench::{FRONT_ENDS, FrontEnd, every_dialect},
    options, with_each,
};

/// Starts a server in front of a back end at `address`.
fn in_front_of(front_end: &FrontEnd, address: std::net::SocketAddr) -> RunningServer {
    let options = ServeOptions { upstream: Some(options(address)), ..ServeOptions::default() };
    RunningServer::start_with(front_end, every_dialect(&[], None), options)
}

/// Checks the response to a request that the back end did not answer.
fn assert_own(answer: &RawResponse, status: u16, title: &str) {
    let body = format!(r#"{{"status":{status},"title":"{title}"}}"#);
    assert_eq!((answer.status, answer.body.as_str()), (status, body.as_str()));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn back_end_that_is_down_is_a_bad_gateway_and_rows_of_polyreset_work() {
    for front_end in FRONT_ENDS {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = in_front_of(front_end, address);
        assert_own(&get(server.address, "/thing").unwrap(), 502, "The back end cannot be reached");
        assert_eq!(get(server.address, "/forgot").unwrap().status, 200);
        let config = get(server.address, "/api/auth/public-config").unwrap();
        assert_own(&config, 502, "The back end cannot be reached");
    }
}

#[test]
fn back_end_that_answers_with_something_else_is_a_bad_gateway() {
    for front_end in FRONT_ENDS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = in_front_of(front_end, listener.local_addr().unwrap());
        let answers = ["SSH-2.0-x\r\n", "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", ""];
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        for _ in answers {
            assert_own(&get(server.address, "/thing").unwrap(), 502, "The back end cannot be reached");
        }
    }
}

#[test]
fn silent_back_end_is_a_gateway_timeout() {
    with_each(|server, _| {
        let begun = Instant::now();
        assert_own(&get(server.address, "/silent").unwrap(), 504, "The back end did not answer in time");
        assert!(begun.elapsed() >= TIMEOUT && begun.elapsed() < 20 * TIMEOUT, "{:?}", begun.elapsed());
    });
}

#[test]
fn response_that_stops_halfway_ends_the_connection() {
    with_each(|server, back_end| {
        let sender = back_end.stream.lock().unwrap().take().unwrap();
        sender.send("first").unwrap();
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut text = String::new();
        let mut reader = BufReader::new(stream);
        while reader.read_line(&mut text).is_ok_and(|read| read > 0) {}
        assert!(text.contains("first") && !text.ends_with("0\r\n\r\n"), "{text}");
    });
}

#[test]
fn client_that_stops_halfway_gets_a_timeout_of_its_own() {
    let slow = |front_end: &FrontEnd| {
        let back_end = BackEnd::start();
        let server = in_front_of(front_end, back_end.address);
        let mut connection = Connection::open(server.address).unwrap();
        let begun = Instant::now();
        let part = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf";
        assert_own(&connection.send(part).unwrap(), 408, "The body took too long");
        assert!(begun.elapsed() >= BODY_TIMEOUT, "{:?}", begun.elapsed());
    };
    // Side by side, because each takes ten seconds.
    thread::scope(|scope| {
        for front_end in FRONT_ENDS {
            scope.spawn(move || slow(front_end));
        }
    });
}

#[test]
fn server_in_front_of_itself_reports_a_loop() {
    for front_end in FRONT_ENDS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let options = ServeOptions { upstream: Some(options(address)), ..ServeOptions::default() };
        let server = RunningServer::start_at(front_end, every_dialect(&[], None), options, address);
        let answer = get(server.address, "/thing").unwrap();
        assert_own(&answer, 508, "The back end leads back to this server");
    }
}
