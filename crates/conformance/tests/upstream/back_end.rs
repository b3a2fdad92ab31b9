//! A small back end on hyper that records what reaches it.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Collected, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Runtime,
    sync::mpsc,
    time::sleep,
};

/// A request that reached the back end.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// The target as sent.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// Length of the body so far.
    pub(crate) body: usize,
}

/// The configuration that InsForge would answer with.
pub(crate) const PUBLIC_CONFIG: &str =
    r#"{"oAuthProviders":["github"],"passwordMinLength":6,"disableSignup":true,"theirs":{"a":[1]}}"#;

/// A running back end.
pub(crate) struct BackEnd {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    /// What the test sends as the body of the response to `/stream`. Closed when taken out.
    pub(crate) stream: Mutex<Option<mpsc::UnboundedSender<&'static str>>>,
    _runtime: Runtime,
}

struct Shared {
    seen: Mutex<Vec<Seen>>,
    /// What the test has chosen as the response to each path.
    chosen: Mutex<HashMap<String, Response<Bytes>>>,
    streamed: Mutex<Option<mpsc::UnboundedReceiver<&'static str>>>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl BackEnd {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            chosen: Mutex::default(),
            streamed: Mutex::new(Some(receiver)),
        });
        let runtime = Runtime::new().unwrap();
        let serving = shared.clone();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let shared = serving.clone();
                let service = service_fn(move |request| {
                    let shared = shared.clone();
                    async move { Ok::<_, Infallible>(answer(&shared, request).await) }
                });
                tokio::spawn(async move {
                    let connection =
                        http1::Builder::new().serve_connection(TokioIo::new(socket), service).with_upgrades();
                    // The server in front closes connections as it likes.
                    let _ = connection.await;
                });
            }
        });
        Self { address, shared, stream: Mutex::new(Some(sender)), _runtime: runtime }
    }

    /// Chooses the response to every request for `path`, which is sent when its body was read.
    pub(crate) fn answer(&self, path: &str, response: Response<Bytes>) {
        self.shared.chosen.lock().unwrap().insert(path.to_owned(), response);
    }

    /// Returns the requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Returns the last request.
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("a request has reached the back end")
    }
}

fn text(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(Full::new(text.into()).boxed_unsync())
}

async fn answer(shared: &Shared, mut request: Request<Incoming>) -> Response<Body> {
    let place = {
        let mut seen = shared.seen.lock().unwrap();
        let (method, headers) = (request.method().clone(), request.headers().clone());
        seen.push(Seen { method, target: request.uri().to_string(), headers, body: 0 });
        seen.len() - 1
    };
    let path = request.uri().path().to_owned();
    if request.method() == Method::OPTIONS {
        return preflight(&request);
    }
    let chosen = shared.chosen.lock().unwrap().get(&path).cloned();
    if let Some(chosen) = chosen {
        let body = request.into_body().collect().await.map_or_else(|_| Bytes::new(), Collected::to_bytes);
        shared.seen.lock().unwrap()[place].body = body.len();
        return chosen.map(|body| Full::new(body).boxed_unsync());
    }
    match path.as_str() {
        "/echo" => {
            let mut body = Vec::new();
            while let Some(frame) = request.body_mut().frame().await {
                let Some(data) = frame.ok().and_then(|frame| frame.into_data().ok()) else { break };
                body.extend_from_slice(&data);
                shared.seen.lock().unwrap()[place].body = body.len();
            }
            text(body)
        }
        "/stream" => {
            let receiver = shared.streamed.lock().unwrap().take().expect("streamed once");
            let frames = stream::unfold(receiver, async |mut receiver| {
                let part = receiver.recv().await?;
                Some((Ok(Frame::data(Bytes::from_static(part.as_bytes()))), receiver))
            });
            Response::new(StreamBody::new(frames).boxed_unsync())
        }
        "/silent" => {
            sleep(Duration::from_secs(30)).await;
            text("too late")
        }
        "/web-socket" => upgrade(request),
        "/headers" => {
            let mut response = text("headers");
            let headers = response.headers_mut();
            for (name, value) in [
                ("connection", "x-of-this-hop"),
                ("x-of-this-hop", "1"),
                ("keep-alive", "timeout=5"),
                ("proxy-authenticate", "Basic"),
                ("x-of-both", "1"),
                ("etag", "\"a\""),
                ("server", "back-end"),
            ] {
                headers.append(name, HeaderValue::from_static(value));
            }
            headers.append("set-cookie", HeaderValue::from_static("a=1"));
            headers.append("set-cookie", HeaderValue::from_static("b=2"));
            response
        }
        "/api/auth/public-config" => {
            let mut response = text(PUBLIC_CONFIG);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
            headers.insert(header::ETAG, HeaderValue::from_static("\"their-bytes\""));
            headers.insert("x-theirs", HeaderValue::from_static("1"));
            response
        }
        "/missing" => {
            let mut response = text("not here");
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        _ => text(format!("back end: {} {path}", request.method())),
    }
}

fn preflight(request: &Request<Incoming>) -> Response<Body> {
    let mut response = text("");
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
}

/// Accepts an upgrade and then returns every byte.
fn upgrade(mut request: Request<Incoming>) -> Response<Body> {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgraded.await.unwrap());
        let mut buffer = [0; 1024];
        loop {
            match io.read(&mut buffer).await {
                Ok(read) if read > 0 => io.write_all(&buffer[..read]).await.unwrap(),
                _ => return,
            }
        }
    });
    let mut response = text("");
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-accept", HeaderValue::from_static("c29tZXRoaW5n"));
    response
}
