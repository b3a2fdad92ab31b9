//! The settings of what is served: which dialects, and the documents beside them.

use reset_settings::{Key, List};

pub(crate) static DIALECTS: Key<List> = Key::found(
    "dialects",
    "every dialect whose `enabled` is `true`",
    "The dialects that are served, and no others, such as `strapi`. It sets `<dialect>.enabled` of every dialect",
);
pub(crate) static DOCS_ENABLED: Key<bool> = Key::new(
    "docs.enabled",
    "true",
    "Whether the documents are served: `/docs`, `/dialects`, `/openapi.json`, `/openapi.yaml`. If not, they are 404",
);
