//! The configuration of nginx. It matches paths only: nginx answers other methods of a location itself or not at all.

use std::fmt::Write as _;

use reset_listen::ListenAddress;

use super::{BACK_END, RoutedPath, Routing, escaped};

pub(super) fn written(routing: &Routing) -> String {
    let server = match &routing.server {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    };
    let mut text = routing.introduction("nginx");
    let _ = write!(
        text,
        "# Goes into the `http` block. If you have a server block, paste the lines from `proxy_set_header` on into it.\n\n\
         upstream polyreset {{ server {server}; }}\n\
         upstream back_end {{ server {BACK_END}; }} # your back end\n\n\
         server {{\n    listen 80; # or 443 ssl, with ssl_certificate\n    server_name {};\n\n    \
         proxy_set_header Host $host;\n    proxy_set_header X-Forwarded-For $remote_addr;\n    \
         proxy_set_header X-Forwarded-Proto $scheme;\n\n",
        routing.host
    );
    for routed in &routing.paths {
        let _ = writeln!(text, "    {}", location(routed, &routing.prefix));
    }
    text += "\n    location / { proxy_pass http://back_end; }\n}\n";
    text
}

fn location(routed: &RoutedPath, prefix: &str) -> String {
    let pattern =
        if routed.lenient { format!("~* {}", routed.regex()) } else { format!("= {}", routed.path) };
    let strip = if routed.stripped {
        // In a location that ignores case, the prefix may be written in any case, too.
        format!("rewrite (?i)^{}(/.*)$ $1 break; ", escaped(prefix))
    } else {
        String::new()
    };
    format!("location {pattern} {{ {strip}proxy_pass http://polyreset; }}")
}
