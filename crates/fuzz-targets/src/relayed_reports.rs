//! A fuzz target that decodes the reports of other instances as an agent does, which receives such
//! reports and writes them into the index of the fleet.

use jiff::Timestamp;
use opensearch_directives::fleet::InstanceReport;
use opensearch_directives::fuzzing::relayed_reports;

use crate::check_message;

/// The instance name of the agent that receives the reports.
const OWN: &str = "hub";
/// The maximum size of a report that an agent accepts, in bytes of JSON.
const MAX_BYTES: usize = 512 << 10;

pub(crate) fn run(input: &[u8]) {
    let now = Timestamp::UNIX_EPOCH;
    match relayed_reports(input, OWN, now) {
        Ok(reports) => reports.iter().for_each(|report| check(report, now)),
        Err(message) => check_message(&message, 4096),
    }
}

fn check(report: &InstanceReport, now: Timestamp) {
    assert!(!report.instance.is_empty() && report.instance.len() <= 512);
    assert_ne!(report.instance, OWN);
    let (last, earlier) = report.via.split_last().expect("the agent adds itself");
    assert_eq!(last, OWN);
    assert!(earlier.len() < 8 && !earlier.iter().any(|agent| agent == OWN));
    assert!(report.reported_at <= now);
    assert!((1.0..=86_400.0).contains(&report.heartbeat_seconds));
    let json = serde_json::to_string(report).expect("a report is JSON");
    assert!(json.len() <= MAX_BYTES, "{} bytes", json.len());
    let decoded: InstanceReport = serde_json::from_str(&json).expect("its own form is accepted");
    assert_eq!(
        without_fractions(decoded),
        without_fractions(report.clone())
    );
    // Another agent must accept each report that this agent forwards, with two exceptions. The
    // other agent must refuse a report that has passed through eight agents, and a report that it
    // has sent or forwarded itself.
    let forwarded = format!(r#"{{"now":"1970-01-01T00:00:00Z","reports":[{json}]}}"#);
    let next = relayed_reports(forwarded.as_bytes(), "next hub", now);
    let is_known =
        report.instance == "next hub" || report.via.iter().any(|agent| agent == "next hub");
    assert_eq!(next.is_ok(), report.via.len() < 8 && !is_known, "{next:?}");
}

/// Replaces the fractional numbers in a report by fixed values, because the JSON parser can change
/// the last digit of such a number.
fn without_fractions(mut report: InstanceReport) -> InstanceReport {
    report.clock_skew_seconds = None;
    report.heartbeat_seconds = 1.0;
    report
}
