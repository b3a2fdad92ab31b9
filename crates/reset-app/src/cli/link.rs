//! `link EMAIL --dialect D`: issues a code or link that the administrator delivers. Printed once and audit-logged.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, builder::PossibleValuesParser};
use reset_http::iso;

use super::{openapi::served, print, user::address};
use crate::{service, settings::Settings};

#[derive(Args)]
pub(super) struct LinkArgs {
    /// Address of the account
    email: String,
    /// Dialect of the code or link, named as in the settings
    #[arg(long, value_name = "D", value_parser = PossibleValuesParser::new(reset_dialects::names()))]
    dialect: String,
    /// Redirect URL of an InsForge link; must be on the allow-list
    #[arg(long, value_name = "URL")]
    redirect_to: Option<String>,
}

pub(super) async fn run(settings: Settings, arguments: LinkArgs) -> Result<ExitCode> {
    let email = address(&arguments.email)?;
    served(&settings.stand_in()?, &arguments.dialect)?;
    let redirect_to = target(&settings, &arguments)?;
    let resets = service::administration(&settings).await?;
    let issued = resets.link(&arguments.dialect, &email, redirect_to.as_deref()).await;
    let issued = issued.context("--dialect and EMAIL")?;
    print(&format!("{}\n", issued.secret.as_str()));
    // On stderr, so that stdout is the secret alone and can be piped.
    let _ = std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("valid until {}, reference {}\n", iso(issued.expires_at), issued.reference.as_str()),
    );
    Ok(ExitCode::SUCCESS)
}

/// Returns the redirect URL of an InsForge link, checked like a client's.
fn target(settings: &Settings, arguments: &LinkArgs) -> Result<Option<String>> {
    let dialects = settings.stand_in()?;
    let dialect = dialects.into_iter().find(|dialect| dialect.name == arguments.dialect);
    let redirects = dialect.and_then(|dialect| dialect.redirects);
    match (redirects, &arguments.redirect_to) {
        (Some(allows), Some(url)) => {
            let allowed = allows(url);
            let error = "--redirect-to is not on the allow-list (insforge.allowed_redirect_urls)";
            allowed.context(error).map(Some)
        }
        (Some(_), None) => bail!("--redirect-to is required for an InsForge link (insforge.method is link)"),
        (None, Some(_)) => bail!("--redirect-to applies only to InsForge links"),
        (None, None) => Ok(None),
    }
}
