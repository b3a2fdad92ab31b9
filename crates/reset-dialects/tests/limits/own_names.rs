//! Passwords built from the account's name: each dialect rejects them, and the tenth attempt voids the secret.

use crate::bench::{LimitsBench, bench};

const EMAIL: &str = "annabel@example.com";
const REQUEST: &str = r#"{"email":"annabel@example.com"}"#;

/// The paths, bodies and errors of one dialect.
struct DialectCase {
    trigger: &'static str,
    reset: &'static str,
    body: fn(&str, &str) -> String,
    weak: &'static str,
    dead: &'static str,
}

const CASES: [DialectCase; 4] = [
    DialectCase {
        trigger: "/v1/auth/password-reset/trigger",
        reset: "/v1/auth/password-reset/reset",
        body: |secret, password| format!(r#"{{"code":"{secret}","new_password":"{password}"}}"#),
        weak: r#"{"error":"password must not be made of your name or email, or of ours"}"#,
        dead: "invalid or expired password reset code",
    },
    DialectCase {
        trigger: "/auth/api/v1/forgot-password",
        reset: "/auth/api/v1/reset-password",
        body: |secret, password| format!(r#"{{"reset_token":"{secret}","password":"{password}"}}"#),
        weak: r#"{"status":"fail","message":"\"password\" must not be made of your name or email, or of ours","errorCode":"INVALID","data":{"errorName":"ValidationMiddlewareError"}}"#,
        dead: "This reset password link has expired",
    },
    DialectCase {
        trigger: "/auth/forgot-password",
        reset: "/auth/reset-password",
        body: |secret, password| {
            format!(r#"{{"code":"{secret}","password":"{password}","passwordConfirmation":"{password}"}}"#)
        },
        weak: r#"{"code":400,"message":"password must not be made of your name or email, or of ours","data":null,"error":{"status":400,"name":"ValidationError","message":"password must not be made of your name or email, or of ours","details":{"errors":[{"path":["password"],"message":"password must not be made of your name or email, or of ours","name":"ValidationError"}]}}}"#,
        dead: "Incorrect code provided",
    },
    DialectCase {
        trigger: "/api/auth/email/send-reset-password",
        reset: "/api/auth/email/reset-password",
        body: |secret, password| format!(r#"{{"newPassword":"{password}","otp":"{secret}"}}"#),
        weak: r#"{"error":"INVALID_INPUT","message":"Password must not be made of your name or email, or of ours","statusCode":400}"#,
        dead: "Invalid or expired verification token",
    },
];

async fn post(bench: &LimitsBench, path: &str, body: &str) -> (u16, String) {
    let answer = bench.send("203.0.113.9", path, body, &[]).await;
    (answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).unwrap())
}

#[tokio::test]
async fn password_from_the_accounts_name_is_rejected_and_the_tenth_voids_the_secret() {
    for case in CASES {
        let bench = bench();
        bench.account(EMAIL).await;
        bench.post("203.0.113.9", case.trigger, REQUEST).await;
        let mail = bench.mails().await.remove(0);
        let mut secret = mail.secret.rsplit('=').next().unwrap().to_owned();
        if case.trigger.contains("/email/") {
            let body = format!(r#"{{"email":"{EMAIL}","code":"{secret}"}}"#);
            let (_, answer) = post(&bench, "/api/auth/email/exchange-reset-password-token", &body).await;
            secret = answer.split('"').find(|text| text.len() == 64).unwrap().to_owned();
        }
        let reset = async |password: &str| post(&bench, case.reset, &(case.body)(&secret, password)).await;
        for _ in 0..10 {
            let (status, body) = reset("Annabel2024!").await;
            assert_eq!((status, body.as_str()), (400, case.weak));
        }
        for password in ["Annabel2024!", "NewSecretPassword123!"] {
            let (_, body) = reset(password).await;
            assert!(body.contains(case.dead), "{body}");
        }
    }
}
