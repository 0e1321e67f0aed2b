//! Tests that the command computes times from the cluster's clock. Also tests that the command
//! shows how it interpreted a local time.

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::json;

use crate::support::command::{Ran, directives, run, words};
use crate::support::forwarding_proxy::{pass, serve};
use crate::support::node::{installed_index, shared_url};
use crate::support::{in_hours, instant};

/// Starts a proxy in front of a node, which changes the node's responses so that the node's clock
/// seems to be ahead by a number of hours; behind if the number is negative.
async fn clock_of(node: &str, hours: i64) -> String {
    let node = node.to_owned();
    let forward = async move |request: Request| -> Response {
        if request.uri().path().starts_with("/_nodes/") {
            let shown = SystemClock.now() + jiff::SignedDuration::from_hours(hours);
            let timestamp = shown.as_millisecond();
            return axum::Json(json!({ "nodes": { "a": { "timestamp": timestamp } } }))
                .into_response();
        }
        pass(&node, request).await
    };
    serve(Router::new().fallback(forward)).await
}

/// Runs the command in the time zone of India, which is five and a half hours ahead of UTC.
fn in_kolkata(url: &str, index: &str, line: &str) -> Ran {
    let output = directives()
        .args(words(line))
        .env("DIRECTIVES_URL", url)
        .env("DIRECTIVES_INDEX", index)
        .env("TZ", "Asia/Kolkata")
        .output();
    Ran::from(output.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn states_and_relative_times_are_those_of_the_clusters_clock() {
    let url = shared_url();
    let index = installed_index(&url, "clocks").await;
    let ahead = clock_of(&url, 1).await;
    let go = |url: &str, line: &str| run(url, &index, &words(line)).ok();
    go(
        &url,
        "apply planned --level Shape --tenant acme --starts-at +30m --for 1h",
    );
    for (url, state) in [(&url, "scheduled"), (&ahead, "active")] {
        let planned = go(url, "get planned -o json").json();
        assert_eq!(planned["state"], state, "{url}");
        let listed = go(url, &format!("list -o name --state {state}")).stdout;
        assert_eq!(listed, "planned\n", "{url}");
    }
    let before = SystemClock.now();
    let written = go(&ahead, "apply one --level Shape --tenant acme --until +15m");
    assert!(written.stdout.contains("(15m)"), "{}", written.stdout);
    let one = go(&url, "get one -o json").json();
    let ahead = instant(&one["expires_at"]).duration_since(before);
    assert!((75..80).contains(&ahead.as_mins()), "{ahead}");
}

#[tokio::test]
async fn a_local_time_is_shown_in_the_time_zone_and_in_utc() {
    let url = shared_url();
    let index = installed_index(&url, "local").await;
    let go = |line: &str| in_kolkata(&url, &index, line);
    let ran = go("apply one --level Shape --tenant acme --starts-at 23:30 --until 00:45").ok();
    let one = go("get one -o json").ok().json();
    let [start, end] = ["starts_at", "expires_at"].map(|field| instant(&one[field]));
    assert_eq!(end.duration_since(start).as_mins(), 75);
    // A time of day in `--until` must mean its first occurrence after the start of the directive,
    // even if the same time of day also occurs before the start.
    let zone = jiff::tz::TimeZone::get("Asia/Kolkata").unwrap();
    let soon = (SystemClock.now() + jiff::SignedDuration::from_hours(1)).to_zoned_datetime(zone);
    let until = soon.strftime("%H:%M");
    go(&format!(
        "apply two --level Shape --tenant acme --starts-at +20h --until {until}"
    ))
    .ok();
    let two = go("get two -o json").ok().json();
    let [begin, stop] = ["starts_at", "expires_at"].map(|field| instant(&two[field]));
    assert!(
        (4..=5).contains(&stop.duration_since(begin).as_hours()),
        "{two}"
    );
    for (flag, instant, local) in [
        ("--starts-at", start, "T23:30:00"),
        ("--until", end, "T00:45:00"),
    ] {
        let line = ran
            .stderr
            .lines()
            .find(|line| line.starts_with(flag))
            .unwrap();
        assert!(
            line.contains(&format!("{local}+05:30[Asia/Kolkata]")),
            "{line}"
        );
        assert!(line.contains(&format!("({instant})")), "{line}");
    }
}

#[tokio::test]
async fn extend_and_edit_show_a_local_time_as_apply_does() {
    let url = shared_url();
    let index = installed_index(&url, "localtoo").await;
    let go = |line: &str| in_kolkata(&url, &index, line).ok();
    let zone = jiff::tz::TimeZone::get("Asia/Kolkata").unwrap();
    let soon = (SystemClock.now() + jiff::SignedDuration::from_hours(2)).to_zoned_datetime(zone);
    let time = soon.strftime("%H:%M").to_string();
    for (typed, name) in [
        (
            format!("extend one two --until {time} --dry-run"),
            "--until",
        ),
        (
            format!("edit one --set expires_at={time} --dry-run"),
            "--set expires_at",
        ),
        (
            format!("edit one --set starts_at={time} --set ttl=10h --dry-run"),
            "--set starts_at",
        ),
    ] {
        for id in ["one", "two"] {
            go(&format!(
                "apply {id} --level Shape --tenant acme --ttl 1h --replace --reactivate"
            ));
        }
        let ran = go(&typed);
        let shown = format!("T{time}:00+05:30[Asia/Kolkata]");
        let lines = ran
            .stderr
            .lines()
            .filter(|line| line.starts_with(&format!("{name} is ")) && line.contains(&shown));
        assert_eq!(lines.count(), 1, "{typed}: {}", ran.stderr);
    }
}

/// The command reads the time before it plans the writes. A directive that ends between the two
/// must not apply again.
#[tokio::test(flavor = "multi_thread")]
async fn extend_skips_a_directive_that_ended_before_the_plan() {
    let url = shared_url();
    let index = installed_index(&url, "behind").await;
    let ended = json!({"level": "Shape", "tenant": "acme", "targets": ["tenant"],
        "revoked": false, "sample_per_mille": 1000, "created_at": in_hours(-3),
        "starts_at": in_hours(-3),
        "expires_at": SystemClock.now() - jiff::SignedDuration::from_mins(30)});
    let path = format!("{url}/{index}/_doc/one?pipeline=_none&refresh=true");
    crate::support::http::put(&path, &ended).await;
    let behind = clock_of(&url, -1).await;
    let ran = run(&behind, &index, &words("extend one --by 3h"));
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("skipped one in "), "{}", ran.stdout);
    let one = run(&url, &index, &["get", "one", "-o", "json"]).ok().json();
    assert_eq!(one["state"], "expired", "{one}");
}
