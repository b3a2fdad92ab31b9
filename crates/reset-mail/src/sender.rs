//! The sender of every mail and this host's name in SMTP.

use std::net::IpAddr;

use lettre::{Address, message::Mailbox};

/// Parses `mail_from`: an address in ASCII, or `Name <address>`. The name needs no quotes, even with a comma, a colon or a
/// bracket, because the header is written with them.
pub(crate) fn sender(mail_from: &str) -> Option<Mailbox> {
    let mailbox = mail_from.parse().ok().or_else(|| unquoted(mail_from))?;
    AsRef::<str>::as_ref(&mailbox.email).is_ascii().then_some(mailbox)
}

/// Parses `Name <address>` with any visible characters in the name except quotes and angle brackets.
fn unquoted(mail_from: &str) -> Option<Mailbox> {
    let (name, address) = mail_from.trim().strip_suffix('>')?.rsplit_once('<')?;
    let name = name.trim();
    if name.is_empty() || name.chars().any(|char| char.is_control() || "\"<>\\".contains(char)) {
        return None;
    }
    let address: Address = address.trim().parse().ok()?;
    Some(Mailbox::new(Some(name.to_owned()), address))
}

/// Returns the name for EHLO and `Message-ID`. An IP address, bracketed or not, becomes an address literal (RFC 5321,
/// 4.1.3), because neither allows a bare one.
pub(crate) fn host_name(domain: &str) -> Option<String> {
    let bare = domain.strip_prefix('[').and_then(|domain| domain.strip_suffix(']')).unwrap_or(domain);
    match bare.parse() {
        Ok(IpAddr::V4(ip)) => return Some(format!("[{ip}]")),
        Ok(IpAddr::V6(ip)) => return Some(format!("[IPv6:{ip}]")),
        Err(_) => {}
    }
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    domain.split('.').all(label).then(|| domain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_with_special_characters_need_no_quotes() {
        for (mail_from, name) in [
            ("Acme <a@b.com>", Some("Acme")),
            ("a@b.com", None),
            ("Acme, Inc. <a@b.com>", Some("Acme, Inc.")),
            ("Acme: Support <a@b.com>", Some("Acme: Support")),
            ("Acme [IT] <a@b.com>", Some("Acme [IT]")),
            ("Acme (IT); @home <a@b.com>", Some("Acme (IT); @home")),
            ("\"Acme, Inc.\" <a@b.com>", Some("Acme, Inc.")),
            ("Bücher, GmbH <a@b.com>", Some("Bücher, GmbH")),
        ] {
            let mailbox = sender(mail_from).unwrap_or_else(|| panic!("{mail_from}"));
            assert_eq!(mailbox.name.as_deref(), name, "{mail_from}");
            assert_eq!(mailbox.email.to_string(), "a@b.com");
        }
    }

    #[test]
    fn text_that_is_not_one_mailbox_is_rejected() {
        for mail_from in [
            "",
            "nobody",
            "Acme, Inc.",
            "Acme, <>",
            "a@b.com\r\nBcc: c@d.com",
            "Acme,\r\nBcc: c@d.com <a@b.com>",
            "Acme, \" <a@b.com>",
            "x <c@d.com>, y <a@b.com>",
            "Acme, Inc. <jö@b.com>",
            "Acme, Inc. <a@bücher.example>",
        ] {
            assert_eq!(sender(mail_from), None, "{mail_from}");
        }
    }

    #[test]
    fn ip_addresses_become_address_literals() {
        for (domain, expected) in [
            ("reset.example.org", Some("reset.example.org")),
            ("192.0.2.7", Some("[192.0.2.7]")),
            ("[2001:db8::7]", Some("[IPv6:2001:db8::7]")),
            ("a b", None),
            ("a..b", None),
        ] {
            assert_eq!(host_name(domain).as_deref(), expected);
        }
    }
}
