//! The wire format of Strapi v3 under `/auth`, and the bodies and paths that Strapi accepts in every version.

use http::StatusCode;

use super::*;

const FORGOT: &str = "/auth/forgot-password";
const RESET: &str = "/auth/reset-password";

async fn v3() -> Bench {
    Bench::new(StrapiSettings { wire: Wire::V3, ..settings() }).await
}

/// Status and body of a mistake as v3 reports it.
fn mistake(id: &str, message: &str) -> (u16, String) {
    let list = format!(r#"[{{"messages":[{{"id":"Auth.form.error.{id}","message":"{message}"}}]}}]"#);
    (400, format!(r#"{{"statusCode":400,"error":"Bad Request","message":{list},"data":{list}}}"#))
}

/// Status and body of any other error.
fn other(status: u16, name: &str, message: &str) -> (u16, String) {
    (status, format!(r#"{{"statusCode":{status},"error":"{name}","message":"{message}"}}"#))
}

#[tokio::test]
async fn mailed_code_sets_a_password_and_the_account_is_written_as_in_v3() {
    let bench = v3().await;
    // As strapi-sdk-javascript sends it.
    let body = r#"{"email":"ann@example.org","url":"https://app.example.org/reset"}"#;
    assert_eq!(bench.post(FORGOT, body).await, (200, r#"{"ok":true}"#.to_owned()));
    bench.deliver().await;
    let mail = bench.memory.mailer.take().pop().unwrap();
    let code = mail.secret.strip_prefix("https://app.example.org/reset?lang=en&code=").unwrap();
    let password = "a new password";
    let body = json!({"code": code, "password": password, "passwordConfirmation": password, "extra": 1});
    let (status, body) = bench.post(RESET, body.to_string()).await;
    let at = iso(FrozenClock::START);
    let token = body.split('"').nth(3).unwrap();
    let user = format!(
        r#"{{"id":1,"username":"ann","email":"Ann@example.org","provider":"local","confirmed":true,"blocked":false,"created_at":"{at}","updated_at":"{at}"}}"#
    );
    assert_eq!((status, &body), (200, &format!(r#"{{"jwt":"{token}","user":{user}}}"#)));
}

#[tokio::test]
async fn mistakes_are_lists_of_lists_under_auth_and_unchanged_under_api() {
    let bench = v3().await;
    let email = mistake("email.format", "Please provide a valid email address.");
    for body in ["{}", r#"{"email":""}"#, r#"{"email":5}"#, r#"{"email":"x","url":"y"}"#] {
        assert_eq!(bench.post(FORGOT, body).await, email, "{body}");
    }
    let missing = mistake("params.provide", "Incorrect params provided.");
    for body in ["{}", r#"{"code":"c","password":"canary12"}"#, "", "[]", "null"] {
        assert_eq!(bench.post(RESET, body).await, missing, "{body}");
    }
    let body = |password: &str, confirmation: &str| {
        json!({"code": "c", "password": password, "passwordConfirmation": confirmation}).to_string()
    };
    let differs = mistake("password.matching", "Passwords do not match.");
    assert_eq!(bench.post(RESET, body("canary12", "canary13")).await, differs);
    let wrong = mistake("code.provide", "Incorrect code provided.");
    assert_eq!(bench.post(RESET, body("canary12", "canary12")).await, wrong);
    let short = mistake("password.policy", "password must be at least 8 characters");
    assert_eq!(bench.post(RESET, body("1234567", "1234567")).await, short);
    assert_eq!(bench.reset("c", "canary12").await, incorrect());
}

#[tokio::test]
async fn other_errors_have_a_status_and_a_text_under_auth() {
    let bench = v3().await;
    for (error, response) in [
        (CommonError::NotFound { path: "/auth/x".into(), query: None }, other(404, "Not Found", "Not Found")),
        (
            CommonError::MethodNotAllowed { method: "PUT".into() },
            other(405, "Method Not Allowed", "Method Not Allowed"),
        ),
        (CommonError::BodyTooLarge, other(413, "Payload Too Large", "Payload Too Large")),
        (CommonError::Failure, other(500, "Internal Server Error", "An internal server error occurred")),
    ] {
        assert_eq!(status_and_body(&crate::v3::render(&error)), response);
    }
    let limited = crate::v3::render(&CommonError::TooMany { retry_after: Duration::from_secs(60) });
    assert_eq!(limited.headers()[header::RETRY_AFTER], "60");
    let text = r#"{"message":[{"messages":[{"id":"Auth.form.error.ratelimit","message":"Too many attempts, please try again in a minute."}]}]}"#;
    assert_eq!(status_and_body(&limited), (429, text.to_owned()));

    // The renderer of a path is that of its version, also where no endpoint was reached.
    let unknown = |path: &str| Request::get(path).body(Ok(Bytes::new())).unwrap();
    let v3 = bench.api.fallback(unknown("/auth/x")).await;
    assert_eq!(status_and_body(&v3), other(404, "Not Found", "Not Found"));
    let v4 = bench.api.fallback(unknown("/api/auth/x")).await;
    assert_eq!(status_and_body(&v4), failure(404, "NotFoundError", "Not Found", "{}"));
    let private = Bench::new(StrapiSettings { wire: Wire::V3, public: false, ..settings() }).await;
    assert_eq!(private.post(RESET, "").await, other(403, "Forbidden", "Forbidden"));
}

#[tokio::test]
async fn forms_capitals_and_a_final_slash_are_accepted_in_every_version() {
    for wire in [Wire::Published, Wire::V3] {
        let bench = Bench::new(StrapiSettings { wire, ..settings() }).await;
        for prefix in ["", "/api", "/API"] {
            let request = Request::post(format!("{prefix}/Auth/forgot-password/"))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Ok(Bytes::from("email=ann%40example.org")));
            let response = bench.api.fallback(request.unwrap()).await;
            assert_eq!(response.status(), StatusCode::OK, "{prefix}");
            bench.deliver().await;
            let mail = bench.memory.mailer.take().pop().unwrap();
            let code = mail.secret.rsplit('=').next().unwrap();
            let form = format!("code={code}&password=a+new+password&passwordConfirmation=a+new+password");
            let request = Request::post(format!("{prefix}/auth/reset-password/"))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Ok(Bytes::from(form)));
            assert_eq!(bench.api.fallback(request.unwrap()).await.status(), StatusCode::OK, "{prefix}");
        }
    }
}

#[test]
fn document_describes_the_format_of_each_path() {
    let document = dialect(StrapiSettings { wire: Wire::V3, ..settings() }).document;
    let document = serde_json::to_value(document).unwrap();
    for (path, id, schema) in [
        ("/auth/forgot-password", "forgotPassword", "ErrorV3"),
        ("/auth/reset-password", "resetPassword", "ErrorV3"),
        ("/api/auth/forgot-password", "forgotPasswordV4", "Error"),
        ("/api/auth/reset-password", "resetPasswordV4", "Error"),
    ] {
        let operation = &document["paths"][path]["post"];
        assert_eq!(operation["operationId"], id);
        let body = &operation["responses"]["400"]["content"]["application/json"]["schema"]["$ref"];
        assert_eq!(*body, format!("#/components/schemas/{schema}"), "{path}");
        assert!(document["components"]["schemas"][schema].is_object());
    }
}
