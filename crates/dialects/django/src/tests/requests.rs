//! Reset requests: the address, and the media types of the body.

use super::{ASK, Bench, SENT, USERS_ASK, bad, settings, status_and_body};

const INVALID: &str = r#"{"email":["Enter a valid email address."]}"#;

#[tokio::test]
async fn address_is_required_and_must_be_valid() {
    let bench = Bench::new(settings()).await;
    for (body, expected) in [
        ("{}", r#"{"email":["This field is required."]}"#),
        ("", r#"{"email":["This field is required."]}"#),
        (r#"{"Email":"ann@example.org"}"#, r#"{"email":["This field is required."]}"#),
        (r#"{"email":null}"#, r#"{"email":["This field may not be null."]}"#),
        (r#"{"email":""}"#, r#"{"email":["This field may not be blank."]}"#),
        (r#"{"email":" \t\n\u00a0\u001f"}"#, r#"{"email":["This field may not be blank."]}"#),
        (r#"{"email":"ann"}"#, INVALID),
        (r#"{"email":"ann@"}"#, INVALID),
        (r#"{"email":"ann@example"}"#, INVALID),
        (r#"{"email":"ann@example.org,bob@example.org"}"#, INVALID),
        (r#"{"email":"Ann <ann@example.org>"}"#, INVALID),
        (r#"{"email":5}"#, INVALID),
        (r#"{"email":true}"#, INVALID),
        (r#"{"email":["ann@example.org"]}"#, INVALID),
        (r#"{"email":{"a":1}}"#, INVALID),
        (
            r#"{"email":"an\u0000n@example.org"}"#,
            r#"{"email":["Null characters are not allowed.","Enter a valid email address."]}"#,
        ),
    ] {
        for path in [ASK, USERS_ASK] {
            assert_eq!(bench.post(path, body).await, bad(expected), "{body}");
        }
    }
    assert_eq!(bench.memory.store.jobs(), []);
}

#[tokio::test]
async fn white_space_around_the_address_and_other_fields_are_ignored() {
    let bench = Bench::new(settings()).await;
    let body = "{\"email\":\"\u{a0} ann@example.org\\n\",\"x\":[1]}";
    assert_eq!(bench.post(ASK, body).await, (200, SENT.to_owned()));
    bench.deliver().await;
    assert_eq!(bench.memory.mailer.take().len(), 1);
}

#[tokio::test]
async fn forms_are_read_like_json() {
    const MULTIPART: &str = "--frontier\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n\
                             ann@example.org\r\n--frontier--\r\n";
    let (form, multipart) = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=frontier");
    let bench = Bench::new(settings()).await;
    for (media, body, status, expected) in [
        (form, "email=ann%40example.org", 200, SENT),
        (multipart, MULTIPART, 200, SENT),
        (form, "email=", 400, r#"{"email":["This field may not be blank."]}"#),
        (form, "email=ann+x", 400, INVALID),
        (form, "x=1", 400, r#"{"email":["This field is required."]}"#),
        ("text/plain", "", 400, r#"{"email":["This field is required."]}"#),
        ("", "", 400, r#"{"email":["This field is required."]}"#),
        (
            "multipart/form-data",
            MULTIPART,
            400,
            r#"{"detail":"Multipart form parse error - Invalid boundary in multipart: None"}"#,
        ),
        ("text/plain", "{}", 415, r#"{"detail":"Unsupported media type \"text/plain\" in request."}"#),
        (
            "text/plain; charset=utf-8",
            "{}",
            415,
            r#"{"detail":"Unsupported media type \"text/plain; charset=utf-8\" in request."}"#,
        ),
        ("", "{}", 415, r#"{"detail":"Unsupported media type \"\" in request."}"#),
        // The libraries take the last of two equal names.
        (form, "email=x&email=ann%40example.org", 400, r#"{"detail":"Malformed request."}"#),
        // The libraries read this one as far as it goes.
        (
            multipart,
            &MULTIPART[..40],
            400,
            r#"{"detail":"Multipart form parse error - Expecting text fields with distinct names"}"#,
        ),
    ] {
        let response = bench.send("POST", ASK, media, body).await;
        assert_eq!(status_and_body(&response), (status, expected.to_owned()), "{media} {body}");
    }
    bench.deliver().await;
    assert_eq!(bench.memory.mailer.take().len(), 1, "the later of two requests voids the earlier");
}
