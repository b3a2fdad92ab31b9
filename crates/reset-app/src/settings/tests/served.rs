//! The settings `dialects` and `docs.enabled`.

use super::{Settings, environment, sentence};

const DIALECTS: &str = "POLYRESET_DIALECTS";

fn names(settings: &Settings) -> Vec<&'static str> {
    let served = settings.stand_in().unwrap();
    served.iter().filter(|dialect| dialect.client.is_some()).map(|dialect| dialect.name).collect()
}

fn paths(settings: &Settings) -> Vec<String> {
    let served = settings.stand_in().unwrap();
    served.iter().flat_map(|dialect| &dialect.rows).map(|(path, _)| path.clone()).collect()
}

#[test]
fn only_the_listed_dialects_are_served() {
    assert_eq!(names(&environment(&[]).unwrap()), ["px0", "worthai", "strapi", "insforge"]);
    assert_eq!(names(&environment(&[(DIALECTS, "strapi")]).unwrap()), ["strapi"]);
    assert_eq!(names(&environment(&[(DIALECTS, "django, px0")]).unwrap()), ["px0", "django"]);
    assert_eq!(names(&super::file("dialects = [\"insforge\"]").unwrap()), ["insforge"]);
    assert_eq!(names(&environment(&[(DIALECTS, "")]).unwrap()), [""; 0]);
    let agreeing =
        [(DIALECTS, "strapi"), ("POLYRESET_STRAPI__ENABLED", "true"), ("POLYRESET_PX0__ENABLED", "false")];
    assert_eq!(names(&environment(&agreeing).unwrap()), ["strapi"]);
}

#[test]
fn list_that_names_no_dialect_or_contradicts_enabled_is_rejected() {
    assert_eq!(
        sentence(environment(&[(DIALECTS, "strappi")])),
        "dialects (POLYRESET_DIALECTS) names \"strappi\"; expected some of px0, worthai, strapi, insforge, django; did you \
         mean strapi?"
    );
    assert_eq!(
        sentence(environment(&[(DIALECTS, "strapi"), ("POLYRESET_PX0__ENABLED", "true")])),
        "px0.enabled (POLYRESET_PX0__ENABLED) is true, but dialects (POLYRESET_DIALECTS) does not list px0: remove one of \
         the two"
    );
    let text = sentence(environment(&[(DIALECTS, "strapi"), ("POLYRESET_STRAPI__ENABLED", "false")]));
    assert!(
        text.contains("strapi.enabled (POLYRESET_STRAPI__ENABLED) is false") && text.contains("lists strapi"),
        "{text}"
    );
}

#[test]
fn documents_are_not_served_if_they_are_switched_off() {
    let documents = ["/docs", "/docs/swagger-ui.css", "/dialects", "/openapi.json", "/openapi.yaml"];
    let on = paths(&environment(&[]).unwrap());
    assert!(documents.iter().all(|document| on.iter().any(|path| path == document)), "{on:?}");
    let off = paths(&environment(&[("POLYRESET_DOCS__ENABLED", "false")]).unwrap());
    assert!(
        !off.iter().any(|path| documents.contains(&path.as_str()) || path.starts_with("/docs")),
        "{off:?}"
    );
    let rest: Vec<&String> = on.iter().filter(|path| !off.contains(path)).collect();
    assert_eq!(off.len() + rest.len(), on.len());
    assert!(off.iter().any(|path| path == "/readyz") && off.iter().any(|path| path == "/forgot"));
}
