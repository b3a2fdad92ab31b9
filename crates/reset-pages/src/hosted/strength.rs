//! `/reset/strength`: how hard a password is to guess, while it is typed. An estimate and no rule: what is refused, the
//! rules render. Without scripts nobody asks.
//!
//! An estimate is dear for who is out to make it so: 100 characters that may each stand for a letter took 830 ms, 20 of
//! them 18 ms. So the first [`JUDGED`] characters count, one password is looked at at a time, and whoever would wait long
//! for the others gets no estimate.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::password::{PASSWORD_MAX, Policy, Weakness};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use zxcvbn::zxcvbn;

use super::{Pages, form::Typed, shell::is_foreign};
use reset_http::{
    common_error::CommonError,
    route::Call,
    wire::{JSON, json},
};

/// How many characters count. A longer password is taken for one of these alone: never for a harder one than it is.
const JUDGED: usize = 20;

/// How long one waits for a turn: whoever types has gone on by then.
const TIMEOUT: Duration = Duration::from_secs(1);

/// An estimate.
#[derive(Serialize, ToSchema)]
pub(super) struct Strength<'a> {
    /// From 0, the weakest, to 4.
    #[schema(minimum = 0, maximum = 4)]
    score: u8,
    /// The same in words.
    text: &'a str,
    /// Whether everybody tries it first: the rules may refuse it.
    common: bool,
}

#[utoipa::path(post, path = "/reset/strength", operation_id = "passwordStrength", tag = "pages",
    summary = "How hard a password is to guess",
    description = "Asked by the page while somebody types. Nothing is stored.",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`password`; on the form for a code also `email`, which makes a weak password"),
    responses(
        (status = 200, description = "An estimate", body = Strength),
        (status = 403, description = "Another site's page asked", body = String, content_type = "text/html"),
        (status = 503, description = "Too many passwords are looked at just now", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait")))))]
pub(super) async fn estimate(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let visit = pages.visit(&call, "reset");
    if is_foreign(call.request.headers()) {
        return Ok(visit.foreign());
    }
    let turn = timeout(TIMEOUT, pages.estimates.clone().acquire_owned());
    let Ok(Ok(turn)) = turn.await else {
        let busy = CommonError::Busy { retry_after: Duration::from_secs(1) };
        return Ok(pages.render(&busy, call.request.headers()));
    };
    let typed = Typed::read(call.request.body());
    // The turn ends with the estimate, whether or not somebody still waits for it.
    let estimate = tokio::task::spawn_blocking(move || (score(&typed), is_common(&typed.password), turn));
    let Ok((score, common, _)) = estimate.await else {
        return Ok(visit.failed("an estimate broke down"));
    };
    let text = &visit.words().strength[usize::from(score)];
    Ok(json(StatusCode::OK, JSON, &Strength { score, text, common }))
}

/// From 0 to 4. What belongs to the person is no surprise to whoever guesses.
fn score(typed: &Typed) -> u8 {
    let end = typed.password.char_indices().nth(JUDGED).map_or(typed.password.len(), |(at, _)| at);
    let own: Vec<&str> = typed.email.split(['@', '.']).chain([typed.email.as_str()]).collect();
    zxcvbn(&typed.password[..end], &own).score().into()
}

fn is_common(password: &str) -> bool {
    let rules = Policy { min: 1, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX };
    rules.accept(password).err() == Some(Weakness::Common)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(password: &str, email: &str) -> u8 {
        score(&Typed { password: password.to_owned().into(), email: email.to_owned(), ..Typed::default() })
    }

    #[test]
    fn what_is_harder_to_guess_scores_higher() {
        let scores =
            ["", "password", "Password-1984", "greenlamp-4", "kR7#vq2!mZpw9"].map(|typed| of(typed, ""));
        assert!(scores.is_sorted() && scores[0] == 0 && scores[4] == 4, "{scores:?}");
    }

    #[test]
    fn what_everybody_tries_first_is_common() {
        assert!(is_common("password") && !is_common("kR7#vq2!mZpw9") && !is_common(""));
    }

    #[test]
    fn what_belongs_to_the_person_is_weak() {
        assert!(of("wilhelmina", "wilhelmina@example.org") < of("wilhelmina", "ann@example.org"));
    }

    #[test]
    fn of_a_long_password_the_beginning_counts() {
        assert_eq!(of(&"a".repeat(4096), ""), of(&"a".repeat(JUDGED), ""));
        assert_eq!(of(&"パ".repeat(4096), ""), of(&"パ".repeat(JUDGED), ""));
    }
}
