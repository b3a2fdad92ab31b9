//! Sets a password with an address and a code of any dialect.

use reset_core::{
    email::EmailAddress,
    error::{ExchangeError, RedeemError},
    exchange::Exchange,
    password::{NewPassword, PASSWORD_MAX, Policy, Weakness},
};

use super::{Pages, reset::has_just_set};
use reset_http::{
    rate_limit::LimitClass,
    redemption::{Redemption, RedemptionKind},
    route::Call,
};

/// The outcome of redeeming a code.
pub(super) struct Redeemed {
    /// `Ok` if the password is set, otherwise the reason why not.
    pub(super) outcome: Result<(), RedeemError>,
    /// The token that the code was exchanged for, with its dialect.
    pub(super) token: Option<(&'static str, String)>,
}

impl From<RedeemError> for Redeemed {
    fn from(error: RedeemError) -> Self {
        Self { outcome: Err(error), token: None }
    }
}

impl Pages {
    /// Whether any dialect mails codes.
    pub(super) fn takes_codes(&self) -> bool {
        self.redemptions.iter().any(Redemption::takes_codes)
    }

    /// Returns the combined password policy of all redemptions that take codes. The dialect of a code is not known
    /// when the password is checked.
    pub(super) fn code_policy(&self) -> Policy {
        let unrestricted =
            Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX };
        let redemptions = self.redemptions.iter().filter(|redemption| redemption.takes_codes());
        redemptions.fold(unrestricted, |policy, redemption| policy.and(redemption.policy))
    }

    /// Returns the rate limit that a wrong code counts against. A code that could identify an account on its own counts
    /// against the limit of such codes, so that this page does not bypass it.
    pub(super) fn limit_class(&self, code: &str) -> LimitClass {
        let identifies_account =
            self.redemptions.iter().any(|redemption| matches!(redemption.kind, RedemptionKind::Code(_)));
        match (code.chars().count() > 6, identifies_account) {
            (true, _) => LimitClass::Token,
            (false, true) => LimitClass::OpenCode,
            (false, false) => LimitClass::AddressCode,
        }
    }

    /// Sets the password of the account with this address, if `code` is one of its live codes.
    ///
    /// Every redemption that can parse the code is tried, in an order that does not depend on the account, so that an
    /// unknown address, an account without a code and a wrong code take the same path and charge the same limits (R14).
    /// Codes bound to the address come first, because guesses at them are limited per address.
    ///
    /// `again` is the password once more: if the code has set it a moment ago, this is the second form of a double click.
    pub(super) async fn redeem_code(
        &self,
        call: &Call,
        locale: Option<String>,
        email: &EmailAddress,
        code: &str,
        password: NewPassword,
        again: impl FnOnce() -> Result<NewPassword, Weakness>,
    ) -> Redeemed {
        let (resets, network) = (&call.resets, call.network());
        let now = resets.adapters().clock.now();
        let parsed = self
            .redemptions
            .iter()
            .filter_map(|redemption| Some((redemption, redemption.parse_code(code, now)?)));
        let (bound, open): (Vec<_>, Vec<_>) =
            parsed.partition(|(redemption, _)| matches!(redemption.kind, RedemptionKind::Exchange { .. }));
        for (redemption, secret) in bound {
            let RedemptionKind::Exchange { max_attempts, format, lifetime, .. } = &redemption.kind else {
                continue;
            };
            let exchange = Exchange {
                dialect: redemption.dialect,
                email,
                code: &secret,
                max_attempts: *max_attempts,
                format: &**format,
                lifetime: *lifetime,
                network: network.clone(),
            };
            let token = match resets.exchange(exchange).await {
                Ok(exchanged) => exchanged.token,
                Err(ExchangeError::Invalid) => continue,
                Err(ExchangeError::Busy { retry_after }) => return RedeemError::Busy { retry_after }.into(),
                Err(ExchangeError::Store(error)) => return RedeemError::Store(error).into(),
            };
            let outcome = resets.redeem(redemption.dialect, &token, password, network, locale).await;
            let token = Some((redemption.dialect, token.reveal().to_owned()));
            return Redeemed { outcome: outcome.map(|_| ()), token };
        }
        // Codes that identify an account on their own must be those of the account with this address.
        let owner = match resets.account_id_of(email).await {
            Ok(owner) => owner,
            Err(error) => return RedeemError::from(error).into(),
        };
        let Some((redemption, secret)) = open.into_iter().next() else { return RedeemError::Invalid.into() };
        let secret = secret.of(owner);
        let outcome = resets.redeem(redemption.dialect, &secret, password, network, locale).await;
        if let (Err(RedeemError::Invalid), Ok(again)) = (&outcome, again())
            && has_just_set(call, redemption.dialect, &secret, again).await
        {
            return Redeemed { outcome: Ok(()), token: None };
        }
        Redeemed { outcome: outcome.map(|_| ()), token: None }
    }
}
