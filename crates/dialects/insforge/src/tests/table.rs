//! Behaviour common to all endpoints, validation errors, and the OpenAPI document.

use super::*;

fn issue(text: &str) -> String {
    format!(r#"400 {{"error":"INVALID_INPUT","message":"{text}","statusCode":400}}"#)
}

#[tokio::test]
async fn missing_and_mistyped_fields_are_reported_in_zods_words() {
    let bench = bench(Method::Code).await;
    let code = "code: Reset password code must be a 6-digit numeric code";
    for (endpoint, body, text) in [
        (SEND, "{}", "email: Required"),
        (SEND, "", "email: Required"),
        (SEND, r#"{"email":""}"#, "email: Invalid email format"),
        (SEND, r#"{"email":" ann@example.org"}"#, "email: Invalid email format"),
        (SEND, r#"{"email":"ann@example.org,eve@example.org"}"#, "email: Invalid email format"),
        (SEND, r#"{"email":["ann@example.org"]}"#, "email: Expected string, received array"),
        (
            SEND,
            r#"{"email":5,"redirectTo":"x"}"#,
            "email: Expected string, received number, redirectTo: Invalid url",
        ),
        (SEND, r#"["ann@example.org"]"#, ": Expected object, received array"),
        (EXCHANGE, "{}", "email: Required, code: Required"),
        (EXCHANGE, r#"{"email":"ann@example.org","code":123456}"#, "code: Expected string, received number"),
        (EXCHANGE, r#"{"email":"ann@example.org","code":{}}"#, "code: Expected string, received object"),
        (EXCHANGE, r#"{"email":"ann@example.org","code":"+12345"}"#, code),
        (EXCHANGE, r#"{"email":"ann@example.org","code":"١٢٣٤٥٦"}"#, code),
        (EXCHANGE, r#"{"email":"ann@example.org","code":"12345\u0000"}"#, code),
        (RESET, "{}", "newPassword: Required, otp: Required"),
        (RESET, r#"{"newPassword":"","otp":""}"#, "otp: OTP/token is required"),
        (
            RESET,
            r#"{"newPassword":null,"otp":null}"#,
            "newPassword: Expected string, received null, otp: Expected string, received null",
        ),
        (
            RESET,
            r#"{"newPassword":"newSecurePassword123","otp":{"$gt":0}}"#,
            "otp: Expected string, received object",
        ),
    ] {
        assert_eq!(bench.text(endpoint, body).await, issue(text), "{endpoint} {body}");
    }
    assert!(bench.memory.store.jobs().is_empty());
}

#[tokio::test]
async fn undecodable_body_gets_the_invalid_json_error() {
    let bench = bench(Method::Code).await;
    for body in ["{", "null", r#"{"email":"ann@example.org","email":"eve@example.org"}"#] {
        for endpoint in [SEND, EXCHANGE, RESET] {
            assert_eq!(
                bench.text(endpoint, body).await,
                r#"400 {"error":"INVALID_INPUT","message":"The request body is not valid JSON","statusCode":400,"nextActions":"Please ensure your request body contains valid JSON"}"#
            );
        }
    }
}

#[tokio::test]
async fn redirect_target_is_ignored_if_codes_are_mailed() {
    let bench = bench(Method::Code).await;
    for target in ["https://app.example.com/reset", "https://evil.com/"] {
        let body = format!(r#"{{"email":"{ANN}","redirectTo":"{target}","id":"2","unknown":[]}}"#);
        assert_eq!(bench.text(SEND, &body).await, SENT);
        bench.mails().await;
    }
    assert!(bench.memory.store.tickets().iter().all(|ticket| ticket.redirect_to.is_none()));
}

#[tokio::test]
async fn public_configuration_reflects_the_settings() {
    let plain = bench(Method::Code).await;
    assert_eq!(
        plain.text(CONFIG, "").await,
        r#"200 {"oAuthProviders":[],"customOAuthProviders":[],"requireEmailVerification":false,"passwordMinLength":8,"requireNumber":false,"requireLowercase":false,"requireUppercase":false,"requireSpecialChar":false,"verifyEmailMethod":"code","resetPasswordMethod":"code","disableSignup":false}"#
    );
    let strict = Policy { min: 15, four_classes: true, ..POLICY };
    let strict = bench_with(Method::Link, &[], strict).await;
    assert_eq!(
        strict.text(CONFIG, "").await,
        r#"200 {"oAuthProviders":[],"customOAuthProviders":[],"requireEmailVerification":false,"passwordMinLength":15,"requireNumber":true,"requireLowercase":true,"requireUppercase":true,"requireSpecialChar":true,"verifyEmailMethod":"code","resetPasswordMethod":"link","disableSignup":false}"#
    );
}

#[tokio::test]
async fn paths_match_in_any_case_and_with_a_trailing_slash() {
    let bench = bench(Method::Code).await;
    assert_eq!(
        bench.text("POST /API/Auth/email/send-reset-password/", r#"{"email":"ann@example.org"}"#).await,
        SENT
    );
    let missing = r#"404 {"error":"NOT_FOUND","message":"Endpoint /api/auth/email/nope not found","statusCode":404,"nextActions":"Please check the API documentation for available endpoints"}"#;
    assert_eq!(bench.text("POST /api/auth/email/nope?token=canary", "{}").await, missing);
}

#[tokio::test]
async fn wrong_method_gets_405_with_the_allowed_methods() {
    let bench = bench(Method::Code).await;
    let answer = bench.call("PUT /api/auth/email/reset-password-link", "").await;
    assert_eq!(
        answer.text,
        r#"405 {"error":"METHOD_NOT_ALLOWED","message":"Method not allowed for this endpoint","statusCode":405,"nextActions":"Please check the API documentation for available endpoints"}"#
    );
    assert_eq!(answer.headers[header::ALLOW], "GET, HEAD, OPTIONS");
}

#[test]
fn document_has_the_published_operation_and_describes_everything() {
    let document = dialect(settings(Method::Code, &[], POLICY)).document;
    let document = serde_json::to_value(document).unwrap();
    let operation = &document["paths"]["/api/auth/email/reset-password"]["post"];
    assert_eq!(operation["tags"], serde_json::json!(["Client"]));
    assert_eq!(operation["summary"], "Reset password with token");
    let request = &document["components"]["schemas"]["ResetPasswordRequest"];
    assert_eq!(request["required"], serde_json::json!(["newPassword", "otp"]));
    assert_eq!(request["properties"]["newPassword"]["example"], "newSecurePassword123");
    assert_eq!(request["properties"]["otp"]["example"], "a1b2c3d4...");
    let answer = &document["components"]["schemas"]["ResetPasswordResponse"];
    assert_eq!(answer["properties"]["message"]["example"], "Password reset successfully");

    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 5);
    for operation in paths.values().flat_map(|item| item.as_object().unwrap().values()) {
        assert!(operation["operationId"].is_string() && operation["summary"].is_string());
        for response in operation["responses"].as_object().unwrap().values() {
            assert!(!response["description"].as_str().unwrap().is_empty());
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name}");
        for (field, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{name}.{field}");
        }
    }
}
