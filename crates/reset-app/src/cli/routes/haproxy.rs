//! The configuration of `HAProxy`.

use std::fmt::Write as _;

use reset_listen::ListenAddress;

use super::{BACK_END, RoutedPath, Routing, escaped};

pub(super) fn written(routing: &Routing) -> String {
    let server = match &routing.server {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix@{}", path.display()),
    };
    let mut text = routing.introduction("haproxy");
    text += "\nfrontend http\n    mode http\n    bind :80 # or :443 ssl crt FILE\n    \
             http-request set-header X-Forwarded-For %[src]\n    \
             http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]\n";
    let _ = writeln!(text, "    acl for_polyreset req.hdr(host),field(1,:) -i -m str {}", routing.host);
    for routed in &routing.paths {
        let _ = writeln!(text, "    {}", rule(routed));
    }
    text += "    default_backend back_end\n";
    // Requests on idle connections would meet the end of the connection after 5 s.
    let _ = write!(
        text,
        "\nbackend polyreset\n    mode http\n    http-reuse never\n    server polyreset {server}\n"
    );
    if routing.strips() {
        let _ = write!(
            text,
            "\nbackend polyreset_below_prefix\n    mode http\n    http-reuse never\n    \
             http-request replace-path '(?i)^{}(/.*)' '\\1'\n    server polyreset {server}\n",
            escaped(&routing.prefix)
        );
    }
    let _ =
        write!(text, "\nbackend back_end\n    mode http\n    server back_end {BACK_END} # your back end\n");
    text
}

fn rule(routed: &RoutedPath) -> String {
    let path = if routed.lenient {
        format!("path -i -m reg '{}'", routed.regex())
    } else {
        format!("path -m str {}", routed.path)
    };
    let backend = if routed.stripped { "polyreset_below_prefix" } else { "polyreset" };
    format!("use_backend {backend} if for_polyreset {{ {path} }} {{ method {} }}", routed.methods(" "))
}
