//! Passwords built from the account's name: each dialect rejects them, and the tenth attempt voids the secret.

use crate::bench::{NEW_PASSWORD, bench};

const EMAIL: &str = "annabel@example.com";
const CLIENT: &str = "203.0.113.9";

#[tokio::test]
async fn password_from_the_accounts_name_is_rejected_and_the_tenth_voids_the_secret() {
    for client in bench().clients() {
        let (name, bench) = (client.dialect, bench());
        bench.account(EMAIL).await;
        bench.step(CLIENT, &client.request_for(EMAIL)).await;
        let mail = bench.mails().await.remove(0);
        let mut secret = client.secret_in(&mail.secret).unwrap_or(mail.secret);
        if let Some(exchange) = client.exchange_of(EMAIL, &secret) {
            let (_, answer) = bench.step(CLIENT, &exchange).await;
            secret = client.token_in(&answer).unwrap_or_else(|| panic!("{name}: {answer}"));
        }
        let reset = async |password: &str| bench.step(CLIENT, &client.redeem_with(&secret, password)).await;
        // The tests of each dialect state the bytes of this error.
        for _ in 0..10 {
            let (status, body) = reset("Annabel2024!").await;
            assert_eq!(status, 400, "{name} {body}");
            assert!(body.contains("email"), "{name} says why: {body}");
        }
        let dead = &bench.traits(name).dead;
        for password in ["Annabel2024!", NEW_PASSWORD] {
            let (_, body) = reset(password).await;
            assert!(dead.iter().any(|dead| dead.body() == body.as_bytes()), "{name} {body}");
        }
    }
}
