//! Secrets on the command line: rejected, because every user of a machine can list the arguments of every process (`ps`),
//! and shells keep them in their history.

use anyhow::{Result, bail};
use percent_encoding::percent_decode_str;

use crate::key::{KeyTable, Named, Secrecy, variable};

/// Rejects a flag whose value is a secret, or a URL with a password.
///
/// # Errors
/// Fails with one sentence that names the variables to use instead.
pub(crate) fn check(keys: &KeyTable, flag: &str, name: &str, value: &str) -> Result<()> {
    // The path of a file that contains the secret is none itself.
    let Named::Key(key) = keys.named(name) else { return Ok(()) };
    if !flag.starts_with("--") {
        return Ok(());
    }
    let what = match key.secrecy {
        Secrecy::Secret => "is a secret",
        Secrecy::Userinfo if has_password(value) => "contains a password",
        Secrecy::Userinfo | Secrecy::Open => return Ok(()),
    };
    let variable = variable(key.name);
    bail!(
        "{name} ({flag}) {what}, which every user of this machine can read on the command line: set {variable}, or \
         {variable}_FILE to the path of a file that contains it"
    )
}

/// Whether a URL contains a password: after the user name, or in a parameter, as the drivers of databases accept it. In
/// doubt it does: a URL without one can be set as a variable as well.
fn has_password(url: &str) -> bool {
    let url = percent_decode_str(url).decode_utf8_lossy().to_ascii_lowercase();
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    // A password can contain any character, so the last `@` ends it.
    let userinfo = rest.rsplit_once('@').map_or("", |(userinfo, _)| userinfo);
    userinfo.contains(':') || url.contains("password") || url.contains("passwd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_of_a_url_is_found_wherever_a_driver_reads_it() {
        for url in [
            "smtp://user:p@mail.example.org",
            "SMTPS://user:p@mail.example.org:465?tls=required",
            "postgres://user:p@h1,h2/app",
            "postgres://h/app?user=u&password=p",
            "postgres://h/app?p%61ssword=p",
            "postgres://user%3Ap@h/app",
            "postgres://user:@h/app",
            "redis://:p@cache",
            "mysql://user:p@ss/w@h/app",
            "user:p@h",
        ] {
            assert!(has_password(url), "{url}");
        }
        for url in [
            "",
            "sqlite://reset.db",
            "file:///var/mail",
            "stdout:",
            "smtp://mail.example.org:587?tls=required",
            "postgres://user@h:5432/app?sslmode=verify-full",
            "mysql://root@[::1]:3306/app",
            "redis://cache:6379/1",
            "https://app.example.com:8443/hook",
        ] {
            assert!(!has_password(url), "{url}");
        }
    }
}
