//! The settings of the dialects, with the defaults of profile `compatible`.

use std::time::Duration;

use reset_core::{
    keys::Key,
    password::{PASSWORD_MAX, Policy},
};

use crate::{insforge, px0, strapi, worthai};

const MINUTE: Duration = Duration::from_secs(60);

/// The settings of each dialect. A dialect whose settings are `None` is not served.
#[derive(Clone, Default)]
pub struct DialectSettings {
    /// px0.
    pub px0: Option<px0::Px0Settings>,
    /// worthai.
    pub worthai: Option<worthai::WorthaiSettings>,
    /// Strapi users-permissions.
    pub strapi: Option<strapi::StrapiSettings>,
    /// InsForge.
    pub insforge: Option<insforge::InsForgeSettings>,
}

impl DialectSettings {
    /// Returns every dialect and the hosted pages with the defaults of profile `compatible` (docs/settings.md),
    /// without the demo. Keys are derived from `root`; links start with `public_url`.
    pub fn defaults(root: &Key, public_url: &str) -> Self {
        let policy = Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX };
        let page = format!("{public_url}/reset");
        Self {
            px0: Some(px0::Px0Settings {
                disclose_unknown: true,
                code_ttl: 15 * MINUTE,
                codes: px0::Codes::SixDigits { max_live: Some(10) },
                policy: Policy { four_classes: true, ..policy },
            }),
            worthai: Some(worthai::WorthaiSettings {
                base_path: "/auth/api/v1".into(),
                page_url: page.clone(),
                token_ttl: 30 * MINUTE,
                jwt_keys: root.derive("worthai.jwt").into(),
                forged: worthai::Forged::AsContracted,
                policy,
            }),
            strapi: Some(strapi::StrapiSettings {
                page_url: page,
                token_ttl: 60 * MINUTE,
                tags: root.derive("strapi.tags").into(),
                jwt_key: root.derive("strapi.jwt"),
                jwt_ttl: 30 * 24 * 60 * MINUTE,
                issue_jwt: true,
                public: true,
                policy,
            }),
            insforge: Some(insforge::InsForgeSettings {
                method: insforge::Method::Code,
                public_url: public_url.to_owned(),
                allowed: insforge::AllowList::default(),
                code_ttl: 15 * MINUTE,
                token_ttl: 60 * MINUTE,
                max_attempts: 3,
                pages: true,
                tags: root.derive("insforge.tags").into(),
                policy,
            }),
        }
    }
}
