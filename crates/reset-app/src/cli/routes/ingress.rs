//! An Ingress of Kubernetes. It has no methods, no case and no way to strip a prefix of its own, so paths below a prefix
//! are an Ingress of their own, with annotations of ingress-nginx.

use std::fmt::Write as _;

use anyhow::Result;

use super::{RoutedPath, Routing, escaped};

pub(super) fn written(routing: &Routing) -> Result<String> {
    let port = routing.tcp("an Ingress")?.port();
    let mut text = routing.introduction("ingress");
    text += "# Services: `polyreset`, and `back-end` for your back end.\n";
    if routing.paths.iter().any(|routed| routed.lenient && !routed.stripped) {
        text += "# An Ingress matches case: requests in another case reach your back end.\n";
    }
    if routing.strips() {
        text += "# Because of `use-regex`, ingress-nginx reads every path of this host as a regular expression without case.\n";
    }
    let (below, bare): (Vec<_>, Vec<_>) = routing.paths.iter().partition(|routed| routed.stripped);
    if routing.strips() {
        text += &head("polyreset-below-prefix");
        let _ = write!(
            text,
            "  annotations:\n    nginx.ingress.kubernetes.io/use-regex: 'true'\n    \
             nginx.ingress.kubernetes.io/rewrite-target: /$1\n"
        );
        text += &rules(routing);
        for routed in below {
            let rest = routed.path.strip_prefix(&routing.prefix).unwrap_or(&routed.path);
            let rest = escaped(rest.trim_start_matches('/'));
            let slash = if routed.lenient { "/?" } else { "" };
            let pattern = format!("{}/({rest}{slash})$", escaped(&routing.prefix));
            text += &path(&pattern, "ImplementationSpecific", "polyreset", port);
        }
        text += "---\n";
    }
    text += &head("polyreset");
    text += &rules(routing);
    for routed in bare {
        for spelling in spellings(routed) {
            text += &path(&spelling, "Exact", "polyreset", port);
        }
    }
    text += &path("/", "Prefix", "back-end", 80);
    Ok(text)
}

/// Returns the path, and the one with a slash at its end where that matches, too.
fn spellings(routed: &RoutedPath) -> Vec<String> {
    let mut spellings = vec![routed.path.clone()];
    if routed.lenient {
        spellings.push(format!("{}/", routed.path));
    }
    spellings
}

fn head(name: &str) -> String {
    format!("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n")
}

fn rules(routing: &Routing) -> String {
    format!("spec:\n  rules:\n    - host: '{}'\n      http:\n        paths:\n", routing.host)
}

fn path(path: &str, kind: &str, service: &str, port: u16) -> String {
    format!(
        "          - path: '{path}'\n            pathType: {kind}\n            backend: {{ service: {{ name: {service}, \
         port: {{ number: {port} }} }} }}\n"
    )
}
