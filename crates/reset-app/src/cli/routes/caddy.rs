//! The configuration of Caddy. Its `path` matcher ignores case, so the paths are regular expressions.

use std::fmt::Write as _;

use reset_listen::ListenAddress;

use super::{BACK_END, Routing};

pub(super) fn written(routing: &Routing) -> String {
    let server = match &routing.server {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix/{}", path.display()),
    };
    let mut text = routing.introduction("caddy");
    // Polyreset closes idle connections after 5 s.
    let _ = write!(
        text,
        "\n(polyreset) {{\n\treverse_proxy {server} {{\n\t\ttransport http {{\n\t\t\tkeepalive 3s\n\t\t}}\n\t}}\n}}\n\n\
         {} {{\n",
        routing.host
    );
    for (number, routed) in (1..).zip(&routing.paths) {
        let _ = write!(
            text,
            "\t@polyreset_{number} {{\n\t\tmethod {}\n\t\tpath_regexp `{}`\n\t}}\n\thandle @polyreset_{number} {{\n",
            routed.methods(" "),
            routed.re2()
        );
        if routed.stripped {
            let _ = writeln!(text, "\t\turi strip_prefix {}", routing.prefix);
        }
        text += "\t\timport polyreset\n\t}\n";
    }
    let _ = write!(text, "\thandle {{\n\t\t# your back end\n\t\treverse_proxy {BACK_END}\n\t}}\n}}\n");
    text
}
