//! Heads: paths, methods and headers, in both directions.

use conformance::http::{Connection, get};
use http::Method;
use reset_http::upstream::{UpstreamHost, UpstreamOptions};

use super::{with_each, with_each_of};

#[test]
fn target_reaches_the_back_end_byte_for_byte() {
    with_each(|server, back_end| {
        for target in [
            "/",
            "//double//slashes/",
            "/a/./b/../c",
            "/%41%2f%2F%zz?x=%00&y==&&z",
            "/api/auth/local?next=/api/auth/reset-password",
            "/a;b=c,d/(e)'f*",
            "/?",
        ] {
            let answer = get(server.address, target).unwrap();
            assert_eq!((answer.status, back_end.last().target.as_str()), (200, target));
        }
    });
}

#[test]
fn method_reaches_the_back_end_and_a_response_to_head_has_a_length_and_no_body() {
    with_each(|server, back_end| {
        for method in ["PUT", "DELETE", "PATCH", "PROPFIND", "GET"] {
            let request = format!("{method} /thing HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
            let answer = Connection::open(server.address).unwrap().send(request.as_bytes()).unwrap();
            assert_eq!(answer.body, format!("back end: {method} /thing"));
        }
        let mut connection = Connection::open(server.address).unwrap();
        let head = connection.send(b"HEAD /thing HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        assert_eq!(head.header("content-length"), Some(&*"back end: HEAD /thing".len().to_string()));
        assert_eq!(connection.get("/thing").unwrap().body, "back end: GET /thing", "on the same connection");
        assert_eq!(back_end.last().method, Method::GET);
    });
}

#[test]
fn headers_of_one_connection_stay_on_it_and_all_others_are_kept() {
    with_each(|server, back_end| {
        let request = "GET /headers HTTP/1.1\r\nhost: api.example.com\r\nconnection: keep-alive, x-private\r\n\
                       x-private: 1\r\nkeep-alive: 5\r\nte: trailers\r\nproxy-authorization: Basic eA==\r\n\
                       upgrade: h2c\r\ncookie: a=1\r\ncookie: b=2\r\nauthorization: Bearer x\r\n\r\n";
        let answer = Connection::open(server.address).unwrap().send(request.as_bytes()).unwrap();
        let seen = back_end.last().headers;
        let mut names: Vec<&str> = seen.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        let kept = ["authorization", "cookie", "host", "via"];
        let set = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
        assert_eq!(names, [&kept[..], &set].concat());
        assert_eq!(seen.get_all("cookie").iter().count(), 2);
        for name in ["x-of-this-hop", "keep-alive", "proxy-authenticate", "connection", "cache-control"] {
            assert_eq!(answer.header(name), None, "{name}");
        }
        for (name, value) in [("x-of-both", "1"), ("etag", "\"a\""), ("server", "back-end")] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie").count();
        assert_eq!(cookies, 2);
    });
}

const FORGED: &str = "GET /thing HTTP/1.1\r\nhost: api.example.com\r\nx-forwarded-for: 203.0.113.7\r\n\
                      x-forwarded-proto: https\r\nx-forwarded-host: www.example.com\r\nx-real-ip: 203.0.113.7\r\n\
                      x_forwarded_for: 203.0.113.7\r\nforwarded: for=203.0.113.7\r\n\r\n";

#[test]
fn untrusted_client_cannot_claim_an_address() {
    with_each(|server, back_end| {
        Connection::open(server.address).unwrap().send(FORGED.as_bytes()).unwrap();
        let seen = back_end.last().headers;
        assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
        assert_eq!(seen["x-forwarded-proto"], "http");
        assert_eq!(seen["x-forwarded-host"], "api.example.com");
        assert!(seen.values().all(|value| !value.as_bytes().windows(7).any(|part| part == b"203.0.1")));
    });
}

#[test]
fn trusted_proxy_names_the_client_and_is_appended() {
    with_each_of(
        |upstream| upstream,
        &["127.0.0.1/32"],
        |server, back_end| {
            Connection::open(server.address).unwrap().send(FORGED.as_bytes()).unwrap();
            let seen = back_end.last().headers;
            assert_eq!(seen["x-forwarded-for"], "203.0.113.7, 127.0.0.1");
            assert_eq!(seen["x-forwarded-proto"], "https");
            assert_eq!(seen["x-forwarded-host"], "www.example.com");
            assert_eq!(seen["host"], "api.example.com");
        },
    );
}

#[test]
fn host_can_be_that_of_the_back_end() {
    let of_url = |upstream| UpstreamOptions { host: UpstreamHost::Upstream, ..upstream };
    with_each_of(of_url, &[], |server, back_end| {
        Connection::open(server.address).unwrap().send(FORGED.as_bytes()).unwrap();
        assert_eq!(back_end.last().headers["host"], back_end.address.to_string());
    });
}

#[test]
fn request_with_an_ambiguous_length_never_reaches_the_back_end() {
    with_each(|server, back_end| {
        for head in [
            "content-length: 3\r\ncontent-length: 4",
            "content-length: 3, 4",
            "content-length: +3",
            "transfer-encoding: chunked, identity",
            "transfer-encoding: gzip, chunked",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "transfer-encoding: xchunked",
            "host: other",
        ] {
            let request = format!("POST /echo HTTP/1.1\r\nhost: a\r\n{head}\r\n\r\n0\r\n\r\n");
            let answer = Connection::open(server.address).unwrap().send(request.as_bytes()).unwrap();
            assert_eq!(answer.status, 400, "{head}");
        }
        assert_eq!(back_end.seen().len(), 0);
        // RFC 9112, 6.3: chunks override a length, which must not be passed on. hyper ends the connection after it.
        for lengths in [
            "content-length: 5\r\ntransfer-encoding: chunked",
            "transfer-encoding: chunked\r\ncontent-length: 5",
        ] {
            let request = format!("POST /echo HTTP/1.1\r\nhost: a\r\n{lengths}\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
            let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
            let mut connection = Connection::open(server.address).unwrap();
            assert_eq!(connection.send(format!("{request}{smuggled}").as_bytes()).unwrap().body, "hi");
            assert_eq!(connection.send(b"").ok(), None, "the connection has ended");
            assert_eq!(back_end.last().headers.get("content-length"), None);
        }
        assert!(back_end.seen().iter().all(|seen| seen.target == "/echo"));
    });
}
