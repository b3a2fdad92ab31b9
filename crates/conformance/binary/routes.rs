//! What `routes` prints works in the real proxies: resets reach the server, and everything else reaches the back end.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Once,
    thread,
    time::{Duration, Instant},
};

use conformance::{
    clients::{self, Client},
    databases::skipped,
    http::get,
    programs,
    server::TestDeployment,
};

use super::{TIMEOUT, deployment, mailed_secret};

/// Address that stands for the back end in what `routes` prints.
const BACK_END: &str = "127.0.0.1:3000";

/// The host in it is the one that the requests of these tests name.
const PUBLIC_URL: &str = "https://test";

/// A proxy of a test. Dropping it ends the process.
struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a port that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Starts a back end that answers every request with its request line.
fn back_end() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
            let body = format!("back end: {line}");
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    address
}

/// Prints the routes for a server at `address`, with the addresses of this test.
fn printed(deployment: &TestDeployment, format: &str, address: SocketAddr, back_end: SocketAddr) -> String {
    let output =
        deployment.run(&["routes", "--format", format, "--listen", &address.to_string()], "").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(BACK_END), "{text}");
    text.replace(BACK_END, &back_end.to_string())
}

/// Waits until the proxy accepts connections.
fn started(mut command: Command, address: SocketAddr) -> Proxy {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < TIMEOUT, "the proxy does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    Proxy { child, address }
}

/// Starts nginx with what `routes` printed inside its `http` block, after `nginx -t`. `None` if it is not installed.
fn nginx(folder: &Path, routes: &str) -> Option<Proxy> {
    static REPORTED: Once = Once::new();
    let Some(program) = programs::find("nginx") else {
        skipped(&REPORTED, "the routes in nginx, because nginx is not installed");
        return None;
    };
    let (address, folder) = (free_address(), folder.join("nginx"));
    fs::create_dir(&folder).unwrap();
    let routes = routes.replace("listen 80;", &format!("listen {address};"));
    assert!(routes.contains(&address.to_string()), "{routes}");
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};", folder.join(kind).display()))
        .concat();
    let file = folder.join("nginx.conf");
    let text = format!(
        "daemon off;\nmaster_process off;\npid {};\nerror_log {} info;\nevents {{}}\n\
         http {{\naccess_log off;\n{paths}\n{routes}\n}}\n",
        folder.join("pid").display(),
        folder.join("error.log").display()
    );
    fs::write(&file, text).unwrap();
    let with_file = || {
        let mut command = programs::command(&program);
        command.arg("-c").arg(&file);
        command
    };
    programs::quietly(with_file().arg("-t")).unwrap();
    Some(started(with_file(), address))
}

/// Starts `HAProxy` with what `routes` printed, after `haproxy -c`. `None` if it is not installed.
fn haproxy(folder: &Path, routes: &str) -> Option<Proxy> {
    static REPORTED: Once = Once::new();
    let Some(program) = programs::find("haproxy") else {
        skipped(&REPORTED, "the routes in HAProxy, because haproxy is not installed");
        return None;
    };
    let (address, file) = (free_address(), folder.join("haproxy.cfg"));
    let routes = routes.replace("bind :80 ", &format!("bind {address} "));
    assert!(routes.contains(&address.to_string()), "{routes}");
    let defaults = "defaults\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n";
    fs::write(&file, format!("{defaults}{routes}")).unwrap();
    let with_file = || {
        let mut command = programs::command(&program);
        command.arg("-f").arg(&file);
        command
    };
    programs::quietly(with_file().arg("-c")).unwrap();
    Some(started(with_file(), address))
}

/// Resets a password through the proxy, with the paths of `client`.
fn resets_through(proxy: &Proxy, deployment: &TestDeployment, client: &Client, email: &str) {
    deployment.add_user(email, "Old Password 1!").unwrap();
    let secret = mailed_secret(deployment, proxy.address, client, email);
    let new = "New Password 1!";
    let answer = conformance::http::send(proxy.address, &client.redeem_with(&secret, new)).unwrap();
    assert!(answer.status < 300, "{} {}", answer.status, answer.body);
    assert!(deployment.accepts(email, new).unwrap());
}

/// The paths that stay with the back end, though they resemble paths of polyreset.
const ELSEWHERE: [&str; 6] = [
    "/",
    "/api/auth/local",
    "/Auth/api/v1/forgot-password",
    "/api/auth/forgot-password/x",
    "/v1/auth/login",
    "/resets",
];

#[test]
fn printed_routes_send_resets_to_the_server_and_everything_else_to_the_back_end() {
    let (mut deployment, folder) = deployment();
    deployment.set("POLYRESET_PUBLIC_URL", PUBLIC_URL);
    deployment.set("POLYRESET_TRUSTED_PROXIES", "127.0.0.1");
    let server = deployment.start().unwrap();
    let back_end = back_end();
    let routes = |format| printed(&deployment, format, server.address, back_end);
    let nginx = nginx(folder.path(), &routes("nginx"));
    let haproxy = haproxy(folder.path(), &routes("haproxy"));
    // nginx does not match methods, and speaks HTTP/1.0 to a back end.
    for (proxy, version, status) in [(nginx, "1.0", 405), (haproxy, "1.1", 200)] {
        let Some(proxy) = proxy else { continue };
        for name in ["px0", "strapi"] {
            let email = format!("ann{status}@{name}.example.com");
            resets_through(&proxy, &deployment, &clients::named(name), &email);
        }
        for path in ELSEWHERE {
            let answer = get(proxy.address, path).unwrap();
            assert_eq!(answer.body, format!("back end: GET {path} HTTP/{version}"));
        }
        let page = get(proxy.address, "/forgot?lang=de").unwrap();
        assert_eq!((page.status, page.header("content-language")), (200, Some("de")));
        assert_eq!(get(proxy.address, "/V1/auth/Password-Reset/trigger/").unwrap().status, status);
    }
}

#[test]
fn printed_routes_strip_the_prefix_of_the_public_url() {
    let (mut deployment, folder) = deployment();
    deployment.set("POLYRESET_PUBLIC_URL", &format!("{PUBLIC_URL}/accounts"));
    deployment.set("POLYRESET_TRUSTED_PROXIES", "127.0.0.1");
    let server = deployment.start().unwrap();
    let back_end = back_end();
    let routes = |format| printed(&deployment, format, server.address, back_end);
    let proxies = [nginx(folder.path(), &routes("nginx")), haproxy(folder.path(), &routes("haproxy"))];
    for proxy in proxies.iter().flatten() {
        let status = |path: &str| get(proxy.address, path).unwrap();
        assert_eq!(status("/accounts/forgot").status, 200);
        assert!(status("/forgot").body.starts_with("back end: "), "the page is below the prefix only");
        let found = status("/.well-known/change-password");
        assert_eq!(found.header("location"), Some(&*format!("{PUBLIC_URL}/accounts/forgot")));
        let client = clients::named("px0");
        let mut step = client.request_for("ghost@example.com");
        for prefix in ["", "/accounts"] {
            step.path = format!("{prefix}{}", client.request_for("ghost@example.com").path);
            let answer = conformance::http::send(proxy.address, &step).unwrap();
            assert!(
                answer.header("x-reset-reference").is_some(),
                "{prefix}: {} {}",
                answer.status,
                answer.body
            );
        }
    }
}
