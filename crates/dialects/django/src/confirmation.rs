//! The part that both confirmations share: the account and the secret of the link set the password. Each library has
//! its own texts for the errors.

use reset_core::{
    account::AccountId,
    error::RedeemError,
    password::{NewPassword, Weakness},
};
use reset_http::{
    common_error::{CommonError, Rejection},
    rate_limit::LimitClass,
    route::Call,
};

use super::{DjangoSettings, NAME, error::DjangoError};

/// How a library reports the errors of a confirmation.
pub(super) struct Library {
    /// Message about a uid that is not the encoding of any account id.
    pub(super) invalid_uid: &'static str,
    /// Message about a token that is wrong, expired or used, or belongs to another account or a blocked one. All get
    /// the same response, so the responses do not reveal which account ids exist (R18).
    pub(super) invalid_token: &'static str,
    /// The field with the errors of the password policy.
    pub(super) password: &'static str,
}

impl Library {
    pub(super) fn uid_error(&self) -> DjangoError {
        DjangoError::of("uid", self.invalid_uid)
    }

    pub(super) fn token_error(&self) -> DjangoError {
        DjangoError::of("token", self.invalid_token)
    }

    /// Returns the error for a weak password, in Django's words where it has the rule.
    pub(super) fn weak(&self, weakness: Weakness) -> DjangoError {
        let message = match weakness {
            Weakness::TooShort { min } => {
                format!("This password is too short. It must contain at least {min} characters.")
            }
            Weakness::MissingClass => {
                "This password must contain at least one uppercase letter, one lowercase \
                                       letter, one digit, and one special character."
                    .into()
            }
            Weakness::TooLong { max_bytes } => {
                format!("This password is too long. It must be at most {max_bytes} bytes.")
            }
            Weakness::Nul => "Null characters are not allowed.".into(),
            Weakness::Common => "This password is too common.".into(),
        };
        DjangoError::of(self.password, message)
    }

    pub(super) fn refusal(&self, error: RedeemError) -> DjangoError {
        match CommonError::unless_rejected(NAME, error) {
            Ok(Rejection::Invalid | Rejection::Blocked) => self.token_error(),
            Ok(Rejection::OwnName) => {
                DjangoError::of(self.password, "The password is too similar to the email address.")
            }
            Err(error) => error.into(),
        }
    }
}

/// Sets the password with the token and the account of a link. The password policy was checked before, so its errors
/// reveal nothing about the token, and a weak password never uses it up (R17).
pub(super) async fn confirm(
    django: &DjangoSettings,
    call: &Call,
    library: &Library,
    (account, token): (AccountId, &str),
    password: NewPassword,
) -> Result<(), DjangoError> {
    let guess = call.acquire(LimitClass::Token).await?;
    let secret = django.tokens().parse(token).ok_or_else(|| library.token_error())?.of(account);
    let redeemed =
        guess.judge(call.resets.redeem(NAME, &secret, password, call.network(), call.locale()).await);
    redeemed.map(drop).map_err(|error| library.refusal(error))
}
