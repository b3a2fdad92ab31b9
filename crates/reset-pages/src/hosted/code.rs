//! Setting a password by a code that is typed beside the address, in whichever dialect there is one for it.

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

/// What became of a code.
pub(super) struct Redeemed {
    /// Whether the password is set, and else why not.
    pub(super) outcome: Result<(), RedeemError>,
    /// The token that the code has become, with its dialect.
    pub(super) token: Option<(&'static str, String)>,
}

impl From<RedeemError> for Redeemed {
    fn from(error: RedeemError) -> Self {
        Self { outcome: Err(error), token: None }
    }
}

impl Pages {
    /// Whether any dialect mails codes to type.
    pub(super) fn takes_codes(&self) -> bool {
        self.redemptions.iter().any(Redemption::takes_codes)
    }

    /// The rules of every redemption that takes codes: whose code it is is not known before the password is judged.
    pub(super) fn code_policy(&self) -> Policy {
        let none = Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX };
        let redemptions = self.redemptions.iter().filter(|redemption| redemption.takes_codes());
        redemptions.fold(none, |policy, redemption| policy.and(redemption.policy))
    }

    /// What a wrong code counts as. Where it could be one that names its account by itself, it counts as one: the page
    /// is no way around that limit.
    pub(super) fn class_of(&self, code: &str) -> LimitClass {
        let open =
            self.redemptions.iter().any(|redemption| matches!(redemption.kind, RedemptionKind::Code(_)));
        match (code.chars().count() > 6, open) {
            (true, _) => LimitClass::Token,
            (false, true) => LimitClass::OpenCode,
            (false, false) => LimitClass::AddressCode,
        }
    }

    /// Sets the password by a code of the account's. Nobody's code and somebody's wrong one take the same way (R14).
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
        let opened = self
            .redemptions
            .iter()
            .filter_map(|redemption| Some((redemption, redemption.parse_code(code, now)?)));
        let mut opened: Vec<_> = opened.collect();
        // An account may have a code in several dialects. Those that are the address's own are tried first: they cost
        // nobody else anything. Where there is no code, one is guessed at all the same.
        let is_live = |redemption: &Redemption| live.iter().any(|dialect| dialect == redemption.dialect);
        let is_open = |redemption: &Redemption| matches!(redemption.kind, RedemptionKind::Code(_));
        opened.sort_by_key(|(redemption, _)| {
            (!is_live(redemption), is_live(redemption) && is_open(redemption))
        });
        let tried = opened.iter().filter(|(redemption, _)| is_live(redemption)).count().max(1);
        for (redemption, secret) in opened.into_iter().take(tried) {
            let RedemptionKind::Exchange { max_attempts, format, lifetime, .. } = &redemption.kind else {
                // A code of somebody else's is none of this address's.
                let secret = secret.of(account);
                let redeemed = resets.redeem(redemption.dialect, &secret, password, network).await;
                return Redeemed { outcome: redeemed.map(|_| ()), token: None };
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
            let redeemed = resets.redeem(redemption.dialect, &token, password, network).await;
            let token = Some((redemption.dialect, token.reveal().to_owned()));
            return Redeemed { outcome: redeemed.map(|_| ()), token };
        }
        RedeemError::Invalid.into()
    }
}
