//! Bodies and upgrades: streamed both ways, of any size.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use conformance::http::Connection;

use super::with_each;

/// Timeout of reads in these tests.
const READ: Duration = Duration::from_secs(10);

fn connect(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(READ)).unwrap();
    stream
}

#[test]
fn response_reaches_the_client_while_the_back_end_still_writes_it() {
    with_each(|server, back_end| {
        let sender = back_end.stream.lock().unwrap().take().unwrap();
        let mut stream = connect(server.address);
        stream.write_all(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        assert!(head[0].contains(" 200 ") && head.iter().any(|line| line.contains("chunked")), "{head:?}");
        for part in ["first", "second"] {
            sender.send(part).unwrap();
            assert_eq!(lines.next().unwrap(), format!("{:x}", part.len()));
            assert_eq!(lines.next().unwrap(), part);
        }
        drop(sender);
        assert_eq!(lines.next().unwrap(), "0");
    });
}

#[test]
fn request_reaches_the_back_end_while_the_client_still_writes_it() {
    with_each(|server, back_end| {
        let mut stream = connect(server.address);
        stream.write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        stream.write_all(b"5\r\nfirst\r\n").unwrap();
        let begun = Instant::now();
        while back_end.seen().first().is_none_or(|seen| seen.body < 5) {
            assert!(begun.elapsed() < READ, "the first part does not arrive");
            thread::sleep(Duration::from_millis(5));
        }
        stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").unwrap();
        let mut answer = String::new();
        let mut reader = BufReader::new(stream);
        while !answer.ends_with("firstsecond") {
            let mut part = [0; 1024];
            let read = reader.read(&mut part).unwrap();
            assert!(read > 0, "{answer}");
            answer.push_str(&String::from_utf8_lossy(&part[..read]));
        }
        assert!(answer.contains(" 200 "), "{answer}");
    });
}

#[test]
fn body_over_the_limit_of_polyresets_rows_is_passed_in_both_directions() {
    with_each(|server, back_end| {
        let body = "0123456789abcdef".repeat(200_000);
        let request =
            format!("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let mut connection = Connection::open(server.address).unwrap();
        for _ in 0..2 {
            let answer = connection.send(request.as_bytes()).unwrap();
            assert!(answer.status == 200 && answer.body == body, "{} {}", answer.status, answer.body.len());
        }
        let seen = back_end.last();
        assert_eq!(seen.headers["content-length"], body.len().to_string());
        assert_eq!(seen.body, body.len());
    });
}

#[test]
fn upgraded_connection_carries_bytes_both_ways_until_one_side_ends_it() {
    with_each(|server, back_end| {
        let mut stream = connect(server.address);
        let ask = "GET /web-socket HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(ask.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 ") && head.contains("upgrade: websocket"), "{head}");
        assert!(head.contains("connection: upgrade") && head.contains("sec-websocket-accept: "), "{head}");
        assert_eq!(back_end.last().headers["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==");
        for message in ["one", "two", "three"] {
            stream.write_all(message.as_bytes()).unwrap();
            let mut echoed = vec![0; message.len()];
            reader.read_exact(&mut echoed).unwrap();
            assert_eq!(echoed, message.as_bytes());
            // Longer than the timeout of a response: a tunnel may be silent.
            thread::sleep(2 * super::TIMEOUT);
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0, "the back end ends its side, too");
    });
}
