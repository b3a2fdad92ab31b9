//! The configuration of Envoy: a complete bootstrap file, as YAML.

use reset_listen::ListenAddress;

use super::{BACK_END, RoutedPath, Routing, escaped};

pub(super) fn written(routing: &Routing) -> String {
    let mut text = routing.introduction("envoy");
    text += "\
static_resources:
  listeners:
    - name: http
      address: { socket_address: { address: 0.0.0.0, port_value: 80 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: http
                use_remote_address: true
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ['*']
                      routes:
";
    for routed in &routing.paths {
        text += &route(routed, &routing.prefix);
    }
    text += "                        - match: { prefix: / }\n                          route: { cluster: back_end }\n";
    let (address, port) = BACK_END.split_once(':').expect("an address with a port");
    let back_end = format!("socket_address: {{ address: {address}, port_value: {port} }}");
    let polyreset = match &routing.server {
        ListenAddress::Tcp(address) => {
            format!("socket_address: {{ address: '{}', port_value: {} }}", address.ip(), address.port())
        }
        ListenAddress::Unix(path) => format!("pipe: {{ path: '{}' }}", path.display()),
    };
    text += "  clusters:\n";
    text += &cluster("back_end", &back_end, " # your back end");
    text += &cluster("polyreset", &polyreset, "");
    // Polyreset closes idle connections after 5 s.
    text += "\
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          common_http_protocol_options: { idle_timeout: 3s }
          explicit_http_config: { http_protocol_options: {} }
";
    text
}

/// Writes a route. Envoy matches a regular expression against the whole path without its query, so that it needs no anchors.
fn route(routed: &RoutedPath, prefix: &str) -> String {
    let path = if routed.lenient {
        format!("safe_regex: {{ regex: '(?i){}/?' }}", escaped(&routed.path))
    } else {
        format!("path: '{}'", routed.path)
    };
    let rewrite = if routed.stripped {
        format!(
            ", regex_rewrite: {{ pattern: {{ regex: '(?i)^{}(/.*)' }}, substitution: '\\1' }}",
            escaped(prefix)
        )
    } else {
        String::new()
    };
    let methods = routed.methods("|");
    format!(
        "                        - match:\n                            {path}\n                            headers:\n                              \
         - name: ':method'\n                                string_match: {{ safe_regex: {{ regex: '{methods}' }} }}\n                          \
         route: {{ cluster: polyreset{rewrite} }}\n"
    )
}

fn cluster(name: &str, address: &str, comment: &str) -> String {
    format!(
        "    - name: {name}\n      type: STATIC\n      connect_timeout: 5s\n      load_assignment:\n        \
         cluster_name: {name}\n        endpoints:\n          - lb_endpoints:\n              \
         - endpoint: {{ address: {{ {address} }} }}{comment}\n"
    )
}
