//! The section `[django]` of the settings.

use reset_core::{
    budget::Budgeting,
    issue_policy::Delivery,
    keys::{HmacKey, Keyring},
};
use reset_http::{module::Deployment, route::Dialect};
use reset_settings::{Inputs, KeyTable, PROFILE};

use super::policy;
use crate::MODULE;

fn read(settings: &[(&str, &str)]) -> anyhow::Result<Dialect> {
    let flags = settings.iter().map(|(name, value)| ("the test", (*name).to_owned(), (*value).to_owned()));
    let keys = [PROFILE.setting()].into_iter().chain(MODULE.keys.iter().copied());
    let values = Inputs { flags: flags.collect(), ..Inputs::default() }.read(&KeyTable::new(keys))?;
    let (roots, budgeting) = (Keyring::from(HmacKey::shared(b"root")), Budgeting::default());
    (MODULE.read)(&Deployment {
        values: &values,
        public_url: "https://accounts.example.org",
        roots: &roots,
        policy: policy(),
        limited: true,
        budgeting: &budgeting,
        pages: true,
    })
}

/// The link that the dialect mails with this page.
fn link(page_url: &str) -> Result<String, String> {
    let dialect = read(&[("django.page_url", page_url)]).map_err(|error| error.to_string())?;
    match dialect.policies.unwrap().primary.delivery {
        Delivery::LinkTemplate { url } => Ok(url),
        _ => panic!("no template"),
    }
}

#[test]
fn defaults_serve_both_libraries_below_auth_and_mail_links_to_the_hosted_page() {
    let dialect = read(&[]).unwrap();
    assert!(dialect.needs_page.is_some());
    assert!(dialect.rows.iter().all(|(path, _)| path.starts_with("/auth/")));
    let url = "https://accounts.example.org/reset?uid={uid}&token={token}";
    assert!(
        matches!(dialect.policies.unwrap().primary.delivery, Delivery::LinkTemplate { url: link } if link == url)
    );
    let moved = read(&[("django.base_path", "/api"), ("django.retype", "true")]).unwrap();
    assert!(moved.rows.iter().all(|(path, _)| path.starts_with("/api/")));
    assert!(moved.client.unwrap().redeem.last().unwrap().body.contains("re_new_password"));
}

#[test]
fn page_is_an_https_url_with_both_placeholders_or_neither() {
    for (page, expected) in [
        (
            "https://app.example.org/#/password/reset/confirm/{uid}/{token}",
            "https://app.example.org/#/password/reset/confirm/{uid}/{token}",
        ),
        ("https://app.example.org/{token}?u={uid}", "https://app.example.org/{token}?u={uid}"),
        ("https://app.example.org/reset", "https://app.example.org/reset?uid={uid}&token={token}"),
    ] {
        assert_eq!(link(page).as_deref(), Ok(expected));
    }
    for page in [
        "https://app.example.org/{uid}",
        "https://app.example.org/#/{token}",
        "http://app.example.org/{uid}/{token}",
        "https://user@app.example.org/{uid}/{token}",
        "https://{token}.example.org/{uid}",
        "https://app.example.org{uid}/{token}",
        "https://app.example.org/ {uid}/{token}",
        "#/password/reset/confirm/{uid}/{token}",
        "{uid}{token}",
    ] {
        let error = link(page).unwrap_err();
        assert!(error.contains("django.page_url") && error.contains("https URL"), "{page}: {error}");
    }
}
