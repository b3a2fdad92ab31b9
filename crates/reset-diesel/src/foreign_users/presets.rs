//! The users tables of the systems whose dialects are spoken (docs/users-table.md).

use super::mapping::{BadName, Flag, Mapping, Matching, Name, Only};

/// A preset's name, as it is written in the settings.
pub const PRESETS: [&str; 4] = ["px0", "insforge", "strapi-v4", "strapi-v3"];

/// The mapping of a preset; nothing for any other name.
pub fn preset(name: &str) -> Option<Mapping> {
    let mapping = match name {
        "px0" => px0(),
        "insforge" => insforge(),
        "strapi-v4" => strapi("up_users", "reset_password_token"),
        "strapi-v3" => strapi("users-permissions_user", "resetPasswordToken"),
        _ => return None,
    };
    Some(mapping.expect("names that a test has parsed"))
}

fn named(name: &str) -> Result<Option<Name>, BadName> {
    Name::parse(name).map(Some)
}

/// `public.users`: bcrypt `$2a$10$`, stored addresses as they were typed. It serves unverified users too.
fn px0() -> Result<Mapping, BadName> {
    Ok(Mapping {
        verified: named("is_verified")?,
        created_at: named("created_at")?,
        ..Mapping::of("users", "id", "email", "password_hash")?
    })
}

/// `auth.users`: bcrypt `$2b$10$`. Accounts of a sign-up by OAuth have capitals in their addresses, which InsForge's
/// own reset never finds, and no password, which a reset must not give them.
fn insforge() -> Result<Mapping, BadName> {
    Ok(Mapping {
        schema: named("auth")?,
        verified: named("email_verified")?,
        created_at: named("created_at")?,
        updated_at: named("updated_at")?,
        ..Mapping::of("users", "id", "email", "password")?
    })
}

/// Strapi users-permissions: bcrypt `$2a$10$`, addresses in lower case, and a password only where the provider is
/// `local`. A reset ends the reset that Strapi itself may have begun.
fn strapi(table: &str, reset_token: &str) -> Result<Mapping, BadName> {
    Ok(Mapping {
        matching: Matching::Exact,
        username: named("username")?,
        blocked: Some(Flag { column: Name::parse("blocked")?, blocked_when: true }),
        verified: named("confirmed")?,
        only: Some(Only { column: Name::parse("provider")?, value: "local".to_owned() }),
        created_at: named("created_at")?,
        updated_at: named("updated_at")?,
        cleared: vec![Name::parse(reset_token)?],
        ..Mapping::of(table, "id", "email", "password")?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_a_mapping_and_nothing_else_has() {
        for name in PRESETS {
            assert!(preset(name).is_some(), "{name}");
        }
        assert!(preset("own").is_none() && preset("custom").is_none());
    }
}
