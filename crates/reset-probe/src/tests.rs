//! Overall verdict, exit code and report.

use super::{control::Control, report::verdict, *};

fn check(verdict: Verdict) -> Check {
    Check { verdict, ..Check::unmeasured("px0", "/p", "reset request", "a note".to_owned()) }
}

fn report(found: bool, verdicts: &[Verdict], declared_allowed: bool) -> Report {
    let controls = vec![Control { planted: "1ms in the response".to_owned(), found }];
    let checks: Vec<Check> = verdicts.iter().copied().map(check).collect();
    Report {
        tool: "tool".to_owned(),
        target: "http://127.0.0.1:8080".to_owned(),
        server: "polyreset 0".to_owned(),
        begun: "2026-01-02T03:04:05.678Z".to_owned(),
        seconds: 1.0,
        seed: 7,
        pairs: 200,
        after: 5,
        threshold_us: 100.0,
        planted_us: 1000.0,
        rest_ms: 10.0,
        known_addresses: 2,
        known_confirmed: false,
        connections: 1,
        verdict: verdict(&controls, &checks),
        controls,
        checks,
        declared_allowed,
    }
}

#[test]
fn exit_code_is_the_worst_verdict_and_inconclusive_if_a_control_was_missed() {
    use Verdict::{Declared, Different, Equivalent, Inconclusive};
    for (found, verdicts, allowed, code) in [
        (true, &[Equivalent, Equivalent][..], false, 0),
        (true, &[Equivalent, Different, Inconclusive], true, 1),
        (true, &[Equivalent, Inconclusive], true, 2),
        (true, &[Equivalent, Declared], false, 1),
        (true, &[Equivalent, Declared], true, 0),
        (true, &[Declared, Inconclusive], true, 2),
        (true, &[Declared, Inconclusive], false, 1),
        (true, &[], true, 2),
        (false, &[Equivalent], true, 2),
        (false, &[Different], true, 2),
    ] {
        assert_eq!(report(found, verdicts, allowed).exit_code(), code, "{found} {verdicts:?} {allowed}");
    }
}

#[test]
fn report_names_missed_controls_and_declared_disclosures() {
    let text = report(false, &[Verdict::Declared], false).markdown();
    for part in
        ["1ms in the response: MISSED", "**Inconclusive", "Declared by contract", "not verified", "seed 7"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let json = reset_http::to_json_pretty(&report(true, &[Verdict::Equivalent], false));
    assert!(json.contains(r#""verdict": "equivalent""#) && json.contains(r#""seed": 7"#), "{json}");
}

#[test]
fn time_is_a_number_with_a_unit() {
    assert_eq!(time("100us"), Ok(Duration::from_micros(100)));
    assert_eq!(time("5ms"), Ok(Duration::from_millis(5)));
    assert_eq!(time("1s"), Ok(Duration::from_secs(1)));
    for text in ["", "5", "ms", "-5ms", "5m", "1.5ms", "99999999999us"] {
        assert!(time(text).is_err(), "{text}");
    }
}
