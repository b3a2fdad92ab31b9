//! The dynamic configuration of Traefik 3, as YAML.

use std::fmt::Write as _;

use anyhow::Result;

use super::{BACK_END, RoutedPath, Routing};

pub(super) fn written(routing: &Routing) -> Result<String> {
    let server = routing.tcp("Traefik")?;
    let host = &routing.host;
    let mut text = routing.introduction("traefik");
    text += "# For Traefik 3. Add `tls: {}` to each router if your entry point does not set it.\nhttp:\n  routers:\n";
    for (number, routed) in (1..).zip(&routing.paths) {
        let _ = write!(
            text,
            "    polyreset-{number}:\n      rule: 'Host(`{host}`) && {}'\n      priority: 1000\n      service: polyreset\n",
            rule(routed)
        );
        if routed.stripped {
            text += "      middlewares: [polyreset-prefix]\n";
        }
    }
    let _ = write!(
        text,
        "    back-end:\n      rule: 'Host(`{host}`)'\n      priority: 1\n      service: back-end\n"
    );
    if routing.strips() {
        let _ = write!(
            text,
            "  middlewares:\n    polyreset-prefix:\n      stripPrefix: {{ prefixes: ['{}'] }}\n",
            routing.prefix
        );
    }
    // Polyreset closes idle connections after 5 s.
    let _ = write!(
        text,
        "  services:\n    polyreset:\n      loadBalancer:\n        servers: [{{ url: 'http://{server}' }}]\n        \
         serversTransport: polyreset\n    back-end:\n      loadBalancer:\n        \
         servers: [{{ url: 'http://{BACK_END}' }}] # your back end\n  serversTransports:\n    polyreset:\n      \
         forwardingTimeouts: {{ idleConnTimeout: 3s }}\n"
    );
    Ok(text)
}

fn rule(routed: &RoutedPath) -> String {
    let path = if routed.lenient {
        format!("PathRegexp(`{}`)", routed.re2())
    } else {
        format!("Path(`{}`)", routed.path)
    };
    let methods: Vec<String> = routed.methods.iter().map(|method| format!("Method(`{method}`)")).collect();
    format!("{path} && ({})", methods.join(" || "))
}
