//! Presets: mappings of the users tables of the supported systems (`docs/users-table.md`).

use super::mapping::{Flag, InvalidName, Mapping, Matching, Name, Only};

/// Names of the presets in the settings.
pub const PRESETS: [&str; 4] = ["px0", "insforge", "strapi-v4", "strapi-v3"];

/// Returns the mapping of a preset, or `None` for an unknown name.
pub fn preset(name: &str) -> Option<Mapping> {
    let mapping = match name {
        "px0" => px0(),
        "insforge" => insforge(),
        "strapi-v4" => strapi("up_users", "reset_password_token"),
        "strapi-v3" => strapi("users-permissions_user", "resetPasswordToken"),
        _ => return None,
    };
    Some(mapping.expect("the names of presets are valid"))
}

fn column(name: &str) -> Result<Option<Name>, InvalidName> {
    Name::parse(name).map(Some)
}

/// `public.users`: bcrypt `$2a$10$`, addresses stored as entered. px0 also serves unverified users.
fn px0() -> Result<Mapping, InvalidName> {
    Ok(Mapping {
        verified: column("is_verified")?,
        created_at: column("created_at")?,
        ..Mapping::of("users", "id", "email", "password_hash")?
    })
}

/// `auth.users`: bcrypt `$2b$10$`. Accounts that signed up by OAuth may have capitals in their addresses, which
/// InsForge's own reset never finds. They have no password, and a reset must not set one.
fn insforge() -> Result<Mapping, InvalidName> {
    Ok(Mapping {
        schema: column("auth")?,
        verified: column("email_verified")?,
        created_at: column("created_at")?,
        updated_at: column("updated_at")?,
        ..Mapping::of("users", "id", "email", "password")?
    })
}

/// Strapi users-permissions: bcrypt `$2a$10$`, addresses in lower case, and a password only if the provider is
/// `local`. A reset clears Strapi's own reset token.
fn strapi(table: &str, reset_token: &str) -> Result<Mapping, InvalidName> {
    Ok(Mapping {
        matching: Matching::Exact,
        username: column("username")?,
        blocked: Some(Flag { column: Name::parse("blocked")?, blocked_when: true }),
        verified: column("confirmed")?,
        only: Some(Only { column: Name::parse("provider")?, value: "local".to_owned() }),
        created_at: column("created_at")?,
        updated_at: column("updated_at")?,
        cleared: vec![Name::parse(reset_token)?],
        ..Mapping::of(table, "id", "email", "password")?
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
}
