//! Invalid bodies: texts, order and paths of Strapi 5, without submitted values.

use super::*;

#[tokio::test]
async fn all_faults_of_a_body_are_reported_together_without_submitted_values() {
    let bench = Bench::new(settings()).await;
    let null = |name| {
        format!(
            "{name} must be a `string` type, but the final value was: `null`.\\n If \\\"null\\\" is intended as an empty \
             value be sure to mark the schema as `.nullable()`"
        )
    };
    let (null_code, null_confirmation) = (null("code"), null("passwordConfirmation"));
    let differ = ("passwordConfirmation", "Passwords do not match");
    let cases: [(&str, &[(&str, &str)]); 10] = [
        (
            "{}",
            &[
                ("passwordConfirmation", "passwordConfirmation is a required field"),
                ("password", "password is a required field"),
                ("code", "code is a required field"),
            ],
        ),
        (
            r#"{"password":"canary12","passwordConfirmation":"canary12"}"#,
            &[("code", "code is a required field")],
        ),
        (
            r#"{"code":"","password":"canary12","passwordConfirmation":"canary12"}"#,
            &[("code", "code is a required field")],
        ),
        (
            r#"{"code":{},"password":"canary12","passwordConfirmation":"canary12"}"#,
            &[("code", "code must be a `string` type")],
        ),
        (
            r#"{"code":null,"password":0,"passwordConfirmation":"canary12"}"#,
            &[differ, ("password", "password must be a `string` type"), ("code", &null_code)],
        ),
        // As Strapi 5.54 answers.
        (
            r#"{"code":"","password":"canary12","passwordConfirmation":"canary13"}"#,
            &[differ, ("code", "code is a required field")],
        ),
        (r#"{"code":"c","password":"canary12","passwordConfirmation":""}"#, &[differ]),
        (
            r#"{"code":"c","passwordConfirmation":"canary12"}"#,
            &[differ, ("password", "password is a required field")],
        ),
        (
            r#"{"code":"c","password":"canary12","passwordConfirmation":null}"#,
            &[("passwordConfirmation", &null_confirmation), differ],
        ),
        (
            r#"{"code":"c","password":5,"passwordConfirmation":5}"#,
            &[
                ("passwordConfirmation", "passwordConfirmation must be a `string` type"),
                ("password", "password must be a `string` type"),
            ],
        ),
    ];
    for (body, expected) in cases {
        for path in PATHS {
            assert_eq!(bench.post(path, body).await, faults(expected), "{body}");
        }
    }
    let body = r#"{"code":"c","password":"canary12","passwordConfirmation":"canary12","role":1,"<b>":2}"#;
    assert_eq!(bench.post(PATHS[1], body).await, faults(&[("", "this field has unspecified keys")]));
    assert_eq!(bench.post(PATHS[0], body).await, incorrect(), "unknown fields are ignored, as in v3");
    let body = r#"{"code":"c","password":"canary12","passwordConfirmation":"canary12","role":1,"user_id":2}"#;
    let named = faults(&[("", "this field has unspecified keys: role, user_id")]);
    assert_eq!(bench.post(PATHS[1], body).await, named);
    let unreadable = failure(400, "ValidationError", "Invalid request body", "{}");
    for body in ["", "[]", "null", r#"{"code":"a","code":"b"}"#] {
        assert_eq!(bench.post(PATHS[0], body).await, unreadable, "{body}");
    }
}

#[tokio::test]
async fn address_is_required_and_must_be_valid() {
    let bench = Bench::new(settings()).await;
    for (body, message) in [
        ("{}", "email is a required field"),
        (r#"{"email":""}"#, "email is a required field"),
        (r#"{"email":5}"#, "email must be a `string` type"),
        (r#"{"email":["ann@example.org"]}"#, "email must be a `string` type"),
        (r#"{"email":"ann@example.org "}"#, "email must be a valid email"),
        (r#"{"email":"ann@example.org,bob@example.org"}"#, "email must be a valid email"),
    ] {
        assert_eq!(bench.post("/auth/forgot-password", body).await, faults(&[("email", message)]), "{body}");
    }
    let body = r#"{"email":"x","url":"https://evil.example"}"#;
    let one = faults(&[("email", "email must be a valid email")]);
    assert_eq!(bench.post("/auth/forgot-password", body).await, one, "unknown fields are ignored, as in v3");
    let two =
        faults(&[("email", "email must be a valid email"), ("", "this field has unspecified keys: url")]);
    assert_eq!(bench.post("/api/auth/forgot-password", body).await, two);
}
