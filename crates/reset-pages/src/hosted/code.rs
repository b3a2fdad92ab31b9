//! Sets a password with an address and a code, in whichever dialect the account has a live code.

use reset_core::{
    Resets,
    account::AccountId,
    email::EmailAddress,
    error::{ExchangeError, RedeemError},
    event::Network,
    exchange::Exchange,
    password::{NewPassword, PASSWORD_MAX, Policy},
};

use super::Pages;
use reset_http::{
    rate_limit::LimitClass,
    redemption::{Redemption, RedemptionKind},
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

    /// Sets the password of the account with this address, if `code` is one of its live codes. An unknown address and a
    /// wrong code take the same path (R14).
    pub(super) async fn redeem_code(
        &self,
        resets: &Resets,
        network: Option<Network>,
        email: &EmailAddress,
        code: &str,
        password: NewPassword,
    ) -> Redeemed {
        let now = resets.adapters().clock.now();
        let (account, live) = match resets.codes_of(email).await {
            Ok(known) => known.unwrap_or_else(|| (AccountId::new(""), Vec::new())),
            Err(error) => return RedeemError::from(error).into(),
        };
        let parsed = self
            .redemptions
            .iter()
            .filter_map(|redemption| Some((redemption, redemption.parse_code(code, now)?)));
        let mut candidates: Vec<_> = parsed.collect();
        // An account may have live codes in several dialects. Codes bound to the address are tried first, because
        // guesses at them are limited per address. Without any live code, one candidate is still tried (R14).
        let is_live = |redemption: &Redemption| live.iter().any(|dialect| dialect == redemption.dialect);
        let identifies_account = |redemption: &Redemption| matches!(redemption.kind, RedemptionKind::Code(_));
        candidates.sort_by_key(|(redemption, _)| {
            (!is_live(redemption), is_live(redemption) && identifies_account(redemption))
        });
        let attempts = candidates.iter().filter(|(redemption, _)| is_live(redemption)).count().max(1);
        for (redemption, secret) in candidates.into_iter().take(attempts) {
            let RedemptionKind::Exchange { max_attempts, format, lifetime, .. } = &redemption.kind else {
                // The code must belong to the account with this address.
                let secret = secret.of(account);
                let outcome = resets.redeem(redemption.dialect, &secret, password, network).await;
                return Redeemed { outcome: outcome.map(|_| ()), token: None };
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
                Err(ExchangeError::Store(error)) => return RedeemError::from(error).into(),
            };
            let outcome = resets.redeem(redemption.dialect, &token, password, network).await;
            let token = Some((redemption.dialect, token.reveal().to_owned()));
            return Redeemed { outcome: outcome.map(|_| ()), token };
        }
        RedeemError::Invalid.into()
    }
}
