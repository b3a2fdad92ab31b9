//! The webmail of well-known mail providers, by the domain of an address, so that "Check your inbox" can link to it.
//!
//! The link is a constant: it carries neither the address nor anything else about the request.

/// A webmail: its name and its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Webmail {
    pub(super) name: &'static str,
    pub(super) url: &'static str,
}

/// The providers, each with its domains.
const PROVIDERS: [(&str, &str, &[&str]); 17] = [
    ("Gmail", "https://mail.google.com/", &["gmail.com", "googlemail.com"]),
    (
        "Outlook",
        "https://outlook.live.com/mail/",
        &[
            "outlook.com",
            "outlook.de",
            "outlook.es",
            "outlook.fr",
            "outlook.jp",
            "hotmail.com",
            "hotmail.co.uk",
            "hotmail.de",
            "hotmail.es",
            "hotmail.fr",
            "live.com",
            "live.de",
            "live.fr",
            "msn.com",
        ],
    ),
    ("Yahoo! メール", "https://mail.yahoo.co.jp/", &["yahoo.co.jp"]),
    (
        "Yahoo Mail",
        "https://mail.yahoo.com/",
        &["yahoo.com", "yahoo.de", "yahoo.es", "yahoo.fr", "yahoo.co.uk", "ymail.com", "rocketmail.com"],
    ),
    ("iCloud Mail", "https://www.icloud.com/mail/", &["icloud.com", "me.com", "mac.com"]),
    ("Proton Mail", "https://mail.proton.me/", &["proton.me", "protonmail.com", "pm.me"]),
    ("GMX", "https://www.gmx.net/", &["gmx.de", "gmx.net", "gmx.at", "gmx.ch"]),
    ("GMX", "https://www.gmx.com/", &["gmx.com", "gmx.us"]),
    ("WEB.DE", "https://web.de/", &["web.de"]),
    ("T-Online", "https://email.t-online.de/", &["t-online.de"]),
    ("AOL Mail", "https://mail.aol.com/", &["aol.com"]),
    ("Fastmail", "https://app.fastmail.com/", &["fastmail.com", "fastmail.fm"]),
    ("Zoho Mail", "https://mail.zoho.com/", &["zoho.com", "zohomail.com"]),
    ("QQ 邮箱", "https://mail.qq.com/", &["qq.com", "foxmail.com"]),
    ("163 邮箱", "https://mail.163.com/", &["163.com"]),
    ("126 邮箱", "https://mail.126.com/", &["126.com"]),
    ("La Poste", "https://www.laposte.net/", &["laposte.net"]),
];

/// Returns the webmail of an address, if its provider is well known.
pub(super) fn webmail_of(email: &str) -> Option<Webmail> {
    let (_, domain) = email.rsplit_once('@')?;
    let domain = domain.trim().to_ascii_lowercase();
    let (name, url, _) = PROVIDERS.iter().find(|(_, _, domains)| domains.contains(&domain.as_str()))?;
    Some(Webmail { name, url })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webmail_is_linked_for_known_domains_only() {
        for (email, name) in [
            ("ann@gmail.com", Some("Gmail")),
            ("Ann@GMail.com ", Some("Gmail")),
            ("ann@hotmail.co.uk", Some("Outlook")),
            ("ann@yahoo.co.jp", Some("Yahoo! メール")),
            ("a@b@proton.me", Some("Proton Mail")),
            ("ann@example.com", None),
            ("ann@notgmail.com", None),
            ("ann@gmail.com.example.com", None),
            ("gmail.com", None),
        ] {
            assert_eq!(webmail_of(email).map(|webmail| webmail.name), name, "{email}");
        }
    }

    #[test]
    fn every_domain_has_one_provider_and_every_link_is_a_plain_https_url() {
        let mut domains: Vec<&str> = PROVIDERS.iter().flat_map(|(_, _, domains)| *domains).copied().collect();
        let count = domains.len();
        domains.sort_unstable();
        domains.dedup();
        assert_eq!(domains.len(), count);
        for (_, url, _) in PROVIDERS {
            assert!(url.starts_with("https://") && !url.contains(['?', '#', '@']), "{url}");
        }
    }
}
