//! Presets: mappings of the users tables of the supported systems (`docs/users-table.md`).

use super::{
    mapping::{Mapping, Matching, Name, Only},
    rows::{AccountRows, Filter, Flag, InvalidRows},
};

/// A preset.
#[derive(Clone, Copy)]
struct Preset {
    /// Name in the settings.
    name: &'static str,
    /// Whether the login of its system reads no hash but bcrypt.
    bcrypt_only: bool,
    mapping: fn() -> ParsedMapping,
}

type ParsedMapping = Result<Mapping, InvalidRows>;

const fn preset_of(name: &'static str, mapping: fn() -> ParsedMapping) -> Preset {
    Preset { name, bcrypt_only: false, mapping }
}

const fn bcrypt_preset_of(name: &'static str, mapping: fn() -> ParsedMapping) -> Preset {
    Preset { name, bcrypt_only: true, mapping }
}

/// Every preset, in the order of the documentation.
const TABLE: [Preset; 10] = [
    bcrypt_preset_of("px0", px0),
    bcrypt_preset_of("insforge", insforge),
    bcrypt_preset_of("strapi-v4", || strapi("up_users", "reset_password_token")),
    bcrypt_preset_of("strapi-v5-refresh", strapi_v5_refresh),
    bcrypt_preset_of("strapi-v3", || strapi("users-permissions_user", "resetPasswordToken")),
    preset_of("django", django),
    preset_of("laravel", laravel),
    preset_of("wordpress", wordpress),
    preset_of("directus", directus),
    preset_of("supabase", supabase),
];

/// Names of the presets in the settings.
pub const PRESETS: [&str; TABLE.len()] = {
    let (mut names, mut index) = ([""; TABLE.len()], 0);
    while index < TABLE.len() {
        names[index] = TABLE[index].name;
        index += 1;
    }
    names
};

/// Returns the mapping of a preset, or `None` for an unknown name.
pub fn preset(name: &str) -> Option<Mapping> {
    let preset = TABLE.iter().find(|preset| preset.name == name)?;
    Some((preset.mapping)().expect("the names of presets are valid"))
}

/// Whether the login of this preset's system reads no hash but bcrypt. `false` for an unknown name.
pub fn reads_only_bcrypt(name: &str) -> bool {
    TABLE.iter().any(|preset| preset.name == name && preset.bcrypt_only)
}

fn column(name: &str) -> Result<Option<Name>, InvalidRows> {
    Ok(Name::parse(name).map(Some)?)
}

fn rows(text: &str) -> Result<Vec<AccountRows>, InvalidRows> {
    AccountRows::parse(text).map(|rows| vec![rows])
}

fn active(text: &str) -> Result<Option<Flag>, InvalidRows> {
    Flag::parse(text, false).map(Some)
}

/// `public.users`: bcrypt `$2a$10$`, addresses stored as entered. px0 also serves unverified users.
fn px0() -> ParsedMapping {
    Ok(Mapping {
        verified: column("is_verified")?,
        created_at: column("created_at")?,
        sessions: rows("sessions.user_id = id")?,
        void: rows("password_resets.user_id = id")?,
        access_tokens_linger: true,
        ..Mapping::of("users", "id", "email", "password_hash")?
    })
}

/// `auth.users`: bcrypt `$2b$10$`. Accounts that signed up by OAuth may have capitals in their addresses, which
/// InsForge's own reset never finds. They have no password, and a reset must not set one.
fn insforge() -> ParsedMapping {
    Ok(Mapping {
        schema: column("auth")?,
        verified: column("email_verified")?,
        created_at: column("created_at")?,
        updated_at: column("updated_at")?,
        void: rows("auth.email_otps.email = email and purpose = RESET_PASSWORD")?,
        ..Mapping::of("users", "id", "email", "password")?
    })
}

/// Strapi users-permissions: bcrypt `$2a$10$`, addresses in lower case, and a password only if the provider is
/// `local`. A reset clears Strapi's own reset token.
fn strapi(table: &str, reset_token: &str) -> ParsedMapping {
    Ok(Mapping {
        matching: Matching::Exact,
        username: column("username")?,
        blocked: Some(Flag::parse("blocked", true)?),
        verified: column("confirmed")?,
        only: Some(Only { column: Name::parse("provider")?, value: "local".to_owned() }),
        created_at: column("created_at")?,
        updated_at: column("updated_at")?,
        cleared: vec![Name::parse(reset_token)?],
        ..Mapping::of(table, "id", "email", "password")?
    })
}

/// Strapi 5 with `jwtManagement: 'refresh'`: the sessions table also holds administrators, and the id is text there.
fn strapi_v5_refresh() -> ParsedMapping {
    Ok(Mapping {
        sessions: rows("strapi_sessions.user_id = id and origin = users-permissions")?,
        document_id: column("document_id")?,
        access_tokens_linger: true,
        ..strapi("up_users", "reset_password_token")?
    })
}

/// Django's `auth_user`. Its sessions and its own reset tokens depend on the stored hash.
fn django() -> ParsedMapping {
    Ok(Mapping {
        username: column("username")?,
        name: column("first_name")?,
        blocked: active("is_active")?,
        created_at: column("date_joined")?,
        sessions_end_with_hash: true,
        ..Mapping::of("auth_user", "id", "email", "password")?
    })
}

/// Laravel's `users`, with sessions in the database. A remember-me cookie ends with its token.
fn laravel() -> ParsedMapping {
    Ok(Mapping {
        name: column("name")?,
        verified: column("email_verified_at")?,
        created_at: column("created_at")?,
        updated_at: column("updated_at")?,
        cleared: vec![Name::parse("remember_token")?],
        sessions: rows("sessions.user_id = id")?,
        void: rows("password_reset_tokens.email = email")?,
        ..Mapping::of("users", "id", "email", "password")?
    })
}

/// `wp_users`. A cookie contains a part of the stored hash, and the key of a reset cannot be NULL.
fn wordpress() -> ParsedMapping {
    Ok(Mapping {
        username: column("user_login")?,
        name: column("display_name")?,
        cleared: vec![Name::parse("user_activation_key")?],
        sessions_end_with_hash: true,
        ..Mapping::of("wp_users", "ID", "user_email", "user_pass")?
    })
}

/// `directus_users`: Argon2id, and accounts of other providers in the same table.
fn directus() -> ParsedMapping {
    Ok(Mapping {
        name: column("first_name")?,
        locale: column("language")?,
        blocked: active("status = active")?,
        only: Some(Only { column: Name::parse("provider")?, value: "default".to_owned() }),
        sessions: vec![AccountRows::parse("directus_sessions.user = id")?],
        access_tokens_linger: true,
        ..Mapping::of("directus_users", "id", "email", "password")?
    })
}

/// Supabase Auth (`GoTrue`), which reads its token columns as text and fails at NULL. Deleted accounts and those of single
/// sign-on stay in the table.
fn supabase() -> ParsedMapping {
    Ok(Mapping {
        schema: column("auth")?,
        verified: column("email_confirmed_at")?,
        filters: vec![Filter::parse("deleted_at = null")?, Filter::parse("is_sso_user = false")?],
        created_at: column("created_at")?,
        updated_at: column("updated_at")?,
        emptied: vec![Name::parse("recovery_token")?],
        sessions: rows("auth.sessions.user_id = id")?,
        void: rows("auth.one_time_tokens.user_id = id")?,
        access_tokens_linger: true,
        ..Mapping::of("users", "id", "email", "encrypted_password")?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_presets_have_a_mapping() {
        for name in PRESETS {
            assert!(preset(name).is_some(), "{name}");
        }
        assert!(preset("own").is_none() && preset("custom").is_none());
    }

    #[test]
    fn only_systems_with_a_fixed_login_read_nothing_but_bcrypt() {
        let only: Vec<&str> = PRESETS.into_iter().filter(|name| reads_only_bcrypt(name)).collect();
        assert_eq!(only, ["px0", "insforge", "strapi-v4", "strapi-v5-refresh", "strapi-v3"]);
        assert!(!reads_only_bcrypt("custom"));
    }

    #[test]
    fn preset_ends_sessions_only_where_its_system_looks_them_up() {
        let ends: Vec<&str> =
            PRESETS.into_iter().filter(|name| preset(name).unwrap().ends_sessions()).collect();
        let expected = ["django", "laravel", "wordpress"];
        assert_eq!(ends, expected);
    }
}
