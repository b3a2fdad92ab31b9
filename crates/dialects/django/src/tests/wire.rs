//! Paths, methods, unreadable bodies, common errors and the OpenAPI document.

use std::time::Duration;

use http::header;
use reset_http::common_error::CommonError;
use serde_json::json;

use super::{
    ASK, Bench, CONFIRM, GOOD, SENT, USERS_ASK, USERS_CONFIRM, bad, rest_auth, settings, status_and_body,
};
use crate::{dialect, error::render};

#[tokio::test]
async fn rest_auth_is_served_without_its_last_slash_and_djoser_is_redirected() {
    let bench = Bench::new(settings()).await;
    assert_eq!(
        bench.post("/auth/password/reset", r#"{"email":"x@example.org"}"#).await,
        (200, SENT.to_owned())
    );
    let link = bench.link("ann@example.org").await;
    assert_eq!(bench.post("/auth/password/reset/confirm", rest_auth(&link, GOOD)).await.0, 200);
    for path in [USERS_ASK, USERS_CONFIRM] {
        for method in ["POST", "GET", "OPTIONS"] {
            for query in ["", "?a=b"] {
                let target = format!("{}{query}", path.trim_end_matches('/'));
                let response = bench.send(method, &target, "application/json", "{}").await;
                assert_eq!(
                    (response.status().as_u16(), response.body().as_ref()),
                    (301, &b""[..]),
                    "{method}"
                );
                assert_eq!(response.headers()[header::LOCATION], format!("{path}{query}"));
                assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
                assert!(!response.headers().contains_key(header::ALLOW));
            }
        }
    }
}

#[tokio::test]
async fn unknown_paths_below_the_base_get_the_frameworks_404() {
    let bench = Bench::new(settings()).await;
    for path in ["/auth", "/auth/x", "/auth/users/reset_password//", "/auth/password/reset/x", "/auth/users"]
    {
        let response = bench.send("POST", path, "application/json", "{}").await;
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (404, &br#"{"detail":"Not found."}"#[..])
        );
        assert!(!response.headers().contains_key(header::ALLOW), "{path}");
    }
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let bench = Bench::new(settings()).await;
    for path in [ASK, CONFIRM, USERS_ASK, USERS_CONFIRM, "/auth/password/reset"] {
        for method in ["GET", "PUT", "PATCH", "DELETE", "TRACE", "BREW"] {
            let response = bench.send(method, path, "", "").await;
            let expected = format!(r#"{{"detail":"Method \"{method}\" not allowed."}}"#);
            assert_eq!(status_and_body(&response), (405, expected));
        }
    }
}

/// The framework's texts after the dash are those of Python's parser.
#[tokio::test]
async fn bodies_that_are_not_one_object_are_rejected_with_the_frameworks_texts() {
    let bench = Bench::new(settings()).await;
    let parse = r#"{"detail":"JSON parse error - Expecting one object with distinct names"}"#;
    let got = |kind: &str| {
        format!(r#"{{"non_field_errors":["Invalid data. Expected a dictionary, but got {kind}."]}}"#)
    };
    for path in [ASK, CONFIRM, USERS_ASK, USERS_CONFIRM] {
        for body in [
            "{",
            r#"{"a":1,}"#,
            "hello",
            " \n",
            "[1",
            "{} x",
            r#"{"a":NaN}"#,
            "\u{feff}{}",
            r#"{"a":"\ud800"}"#,
            r#"{"email":"x","email":"ann@example.org"}"#,
        ] {
            assert_eq!(bench.post(path, body).await, bad(parse), "{body}");
        }
        for (body, kind) in
            [("[]", "list"), (r#""a""#, "str"), ("1", "int"), ("1.5", "float"), ("true", "bool")]
        {
            assert_eq!(bench.post(path, body).await, bad(&got(kind)), "{body}");
        }
        assert_eq!(bench.post(path, "null").await, bad(r#"{"non_field_errors":["No data provided"]}"#));
    }
}

#[test]
fn common_errors_have_the_frameworks_format() {
    let (method, content_type) = ("PUT".to_owned(), "text/plain".to_owned());
    for (error, status, detail) in [
        (CommonError::MethodNotAllowed { method }, 405, r#"Method \"PUT\" not allowed."#),
        (
            CommonError::UnsupportedMediaType { content_type },
            415,
            r#"Unsupported media type \"text/plain\" in request."#,
        ),
        (CommonError::BodyTooLarge, 413, "Request body is too large."),
        (CommonError::BodyTooSlow, 408, "Request body took too long."),
        (CommonError::BodyUnreadable, 400, "Malformed request."),
        (CommonError::Failure, 500, "A server error occurred."),
    ] {
        let body = format!(r#"{{"detail":"{detail}"}}"#);
        assert_eq!(status_and_body(&render(&error)), (status, body));
    }
    for (millis, seconds) in [(60_000, "60 seconds"), (59_001, "60 seconds"), (1_000, "1 second")] {
        let throttled = render(&CommonError::TooMany { retry_after: Duration::from_millis(millis) });
        assert_eq!(throttled.headers()[header::RETRY_AFTER], *seconds.split(' ').next().unwrap());
        let body = format!(r#"{{"detail":"Request was throttled. Expected available in {seconds}."}}"#);
        assert_eq!(status_and_body(&throttled), (429, body));
    }
    let busy = render(&CommonError::Busy { retry_after: Duration::from_secs(2) });
    assert_eq!(busy.headers()[header::RETRY_AFTER], "2");
    let body = r#"{"detail":"Service temporarily unavailable, try again later."}"#;
    assert_eq!(status_and_body(&busy), (503, body.to_owned()));
}

#[test]
fn document_has_every_served_operation() {
    let django = dialect(settings());
    let document = serde_json::to_value(&django.document).unwrap();
    for (path, id) in [
        ("/password/reset/", "passwordReset"),
        ("/password/reset", "passwordResetWithoutSlash"),
        ("/password/reset/confirm/", "passwordResetConfirm"),
        ("/password/reset/confirm", "passwordResetConfirmWithoutSlash"),
        ("/users/reset_password/", "usersResetPassword"),
        ("/users/reset_password_confirm/", "usersResetPasswordConfirm"),
    ] {
        let operation = &document["paths"][path]["post"];
        assert_eq!(operation["operationId"], id);
        for media in ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"] {
            assert!(operation["requestBody"]["content"][media]["schema"].is_object(), "{path} {media}");
        }
        assert!(django.rows.iter().any(|(row, _)| *row == format!("/auth{path}")), "{path}");
    }
    assert_eq!(document["paths"].as_object().unwrap().len(), django.rows.len());
    assert_eq!(
        document["components"]["schemas"]["PasswordResetConfirm"]["required"],
        json!(["new_password1", "new_password2", "uid", "token"])
    );
    let fields = &document["components"]["schemas"]["BadRequest"]["oneOf"][0];
    assert_eq!(fields["additionalProperties"]["items"]["type"], "string", "{fields}");
}

#[test]
fn client_has_a_step_for_every_path_and_its_forged_secret_is_well_formed() {
    let django = dialect(settings());
    let client = django.client.unwrap();
    let steps = client.request.iter().chain(&client.redeem);
    let mut paths: Vec<&str> = steps.map(|step| step.path.as_str()).collect();
    let mut rows: Vec<&str> = django.rows.iter().map(|(path, _)| path.as_str()).collect();
    paths.sort_unstable();
    rows.sort_unstable();
    assert_eq!(paths, rows);
    let body = r#"{"uid":"MQ","token":"abc","new_password":"UID"}"#;
    assert_eq!(client.redeem_with("MQ/abc", "uid").body, body.replace("UID", "uid"));
    assert_eq!(client.forged.len(), "MQ/".len() + 64);
}
