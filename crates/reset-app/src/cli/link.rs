//! `link EMAIL --dialect D`: a secret that an administrator hands over himself. Printed once, written down.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use reset_core::email::EmailAddress;
use reset_http::iso;

use super::print;
use crate::{service, settings::Settings};

#[derive(Args)]
pub(super) struct LinkArgs {
    /// Address of the account
    email: String,
    /// Whose code or link: px0, worthai, strapi or insforge
    #[arg(long, value_name = "D")]
    dialect: String,
    /// Where an InsForge link is to lead; it has to be on the allow-list
    #[arg(long, value_name = "URL")]
    redirect_to: Option<String>,
}

pub(super) async fn run(settings: Settings, arguments: LinkArgs) -> Result<ExitCode> {
    let email = EmailAddress::parse(&arguments.email)
        .map_err(|error| anyhow!("EMAIL {:?} is {error}", arguments.email))?;
    let redirect_to = target(&settings, &arguments)?;
    let resets = service::administration(&settings).await?;
    let made = resets.link(&arguments.dialect, &email, redirect_to.as_deref()).await;
    let made = made.context("--dialect and EMAIL")?;
    print(&format!("{}\n", made.secret.as_str()));
    // Beside the secret, not with it: whoever pipes it on wants nothing else.
    let _ = std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("good until {}, reference {}\n", iso(made.expires_at), made.reference.as_str()),
    );
    Ok(ExitCode::SUCCESS)
}

/// The target of an InsForge link, judged as a client's is.
fn target(settings: &Settings, arguments: &LinkArgs) -> Result<Option<String>> {
    let dialects = settings.stand_in()?;
    let links = (arguments.dialect == "insforge").then_some(dialects.insforge).flatten();
    let links = links.filter(|insforge| insforge.method == reset_dialects::insforge::Method::Link);
    match (links, &arguments.redirect_to) {
        (Some(insforge), Some(url)) => {
            let allowed = insforge.target(url);
            let refused = "--redirect-to is not on the allow-list (insforge.allowed_redirect_urls)";
            allowed.context(refused).map(Some)
        }
        (Some(_), None) => bail!("--redirect-to is required where InsForge mails links"),
        (None, Some(_)) => bail!("--redirect-to is for InsForge links alone"),
        (None, None) => Ok(None),
    }
}
