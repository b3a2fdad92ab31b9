//! `/reset/strength`: estimates how hard a password is to guess, while the user types. The estimate is only a hint; the
//! password policy alone decides whether a password is accepted. Without JavaScript, the form shows no estimate.
//!
//! Crafted input makes an estimate expensive: a password of 100 characters that can each stand for a letter took 830 ms,
//! 20 of them 18 ms, and an address of 55 KB with 11,000 parts 370 ms. Therefore only the beginnings count
//! ([`SCORED_CHARS`], [`ADDRESS_MAX`]), one estimate runs at a time, a request that waits longer than [`TIMEOUT`] for its
//! turn gets no estimate, and the estimates of each client are limited ([`LimitClass::Estimate`]).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    email::ADDRESS_MAX,
    password::{PASSWORD_MAX, Policy, Weakness},
};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use zxcvbn::zxcvbn;

use super::{Pages, form::FormInput, shell::is_cross_site};
use reset_http::{
    common_error::CommonError,
    rate_limit::LimitClass,
    route::Call,
    wire::{JSON, json},
};

/// How many characters count. A longer password gets the score of its beginning, which never overrates it.
const SCORED_CHARS: usize = 20;

/// Maximum wait for a turn. After that the user has typed on, and the estimate would be out of date.
const TIMEOUT: Duration = Duration::from_secs(1);

/// An estimate of a password's strength.
#[derive(Serialize, ToSchema)]
pub(super) struct Strength<'a> {
    /// Score from 0 (weakest) to 4.
    #[schema(minimum = 0, maximum = 4)]
    score: u8,
    /// The score in words, in the language of the page.
    text: &'a str,
    /// Whether the password is among the most common ones. The password policy may reject it for that.
    common: bool,
}

#[utoipa::path(post, path = "/reset/strength", operation_id = "passwordStrength", tag = "pages",
    summary = "Estimate how hard a password is to guess",
    description = "Called by the page while the user types. Nothing is stored.",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`password`; on the form for a code also `email`, because a password that contains it is weak"),
    responses(
        (status = 200, description = "An estimate", body = Strength),
        (status = 403, description = "The request came from another site", body = String, content_type = "text/html"),
        (status = 429, description = "The client has requested too many estimates", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, description = "Too many estimates are waiting", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait")))))]
pub(super) async fn estimate(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let visit = pages.visit(&call, "reset");
    if is_cross_site(call.request.headers()) {
        return Ok(visit.cross_site_error());
    }
    if let Err(error) = call.acquire(LimitClass::Estimate).await {
        return Ok(pages.render(&error, call.request.headers()));
    }
    let turn = timeout(TIMEOUT, pages.estimates.clone().acquire_owned());
    let Ok(Ok(turn)) = turn.await else {
        let busy = CommonError::Busy { retry_after: Duration::from_secs(1) };
        return Ok(pages.render(&busy, call.request.headers()));
    };
    let input = FormInput::parse(call.request.body());
    // The turn lasts until the estimate is done, even if the client has disconnected.
    let estimate = tokio::task::spawn_blocking(move || (score(&input), is_common(&input.password), turn));
    let Ok((score, common, _)) = estimate.await else {
        return Ok(visit.failed("password strength estimate panicked"));
    };
    let text = &visit.words().strength[usize::from(score)];
    Ok(json(StatusCode::OK, JSON, &Strength { score, text, common }))
}

/// Returns the score from 0 to 4. Parts of the user's address count as easy to guess.
fn score(input: &FormInput) -> u8 {
    let (password, email) = (beginning(&input.password, SCORED_CHARS), beginning(&input.email, ADDRESS_MAX));
    let personal: Vec<&str> = email.split(['@', '.']).chain([email]).collect();
    zxcvbn(password, &personal).score().into()
}

/// Returns at most the first `chars` characters of `text`.
fn beginning(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

fn is_common(password: &str) -> bool {
    let rules = Policy { min: 1, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX };
    rules.accept(password).err() == Some(Weakness::Common)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score_of(password: &str, email: &str) -> u8 {
        score(&FormInput {
            password: password.to_owned().into(),
            email: email.to_owned(),
            ..FormInput::default()
        })
    }

    #[test]
    fn harder_passwords_score_higher() {
        let scores = ["", "password", "Password-1984", "greenlamp-4", "kR7#vq2!mZpw9"]
            .map(|password| score_of(password, ""));
        assert!(scores.is_sorted() && scores[0] == 0 && scores[4] == 4, "{scores:?}");
    }

    #[test]
    fn most_used_password_is_common() {
        assert!(is_common("password") && !is_common("kR7#vq2!mZpw9") && !is_common(""));
    }

    #[test]
    fn password_from_the_own_address_scores_lower() {
        assert!(score_of("wilhelmina", "wilhelmina@example.org") < score_of("wilhelmina", "ann@example.org"));
    }

    #[test]
    fn only_the_beginning_of_a_long_password_counts() {
        assert_eq!(score_of(&"a".repeat(4096), ""), score_of(&"a".repeat(SCORED_CHARS), ""));
        assert_eq!(score_of(&"パ".repeat(4096), ""), score_of(&"パ".repeat(SCORED_CHARS), ""));
    }

    #[test]
    fn only_the_beginning_of_a_long_address_counts() {
        let address = |dots: usize| format!("{}wilhelmina@example.org", ".".repeat(dots));
        let elsewhere = score_of("wilhelmina", "ann@example.org");
        assert!(score_of("wilhelmina", &address(ADDRESS_MAX - 10)) < elsewhere);
        assert_eq!(score_of("wilhelmina", &address(ADDRESS_MAX)), elsewhere);
    }
}
