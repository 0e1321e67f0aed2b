//! Tests `doctor` on a real node, before and after `directives init`.

use serde_json::json;

use crate::support::command::run;
use crate::support::http;
use crate::support::in_hours;
use crate::support::node::{installed_index, shared_url, unique_index};

#[tokio::test]
async fn doctor_reports_each_part_and_fails_where_something_is_missing() {
    let url = shared_url();
    let index = installed_index(&url, "doctor").await;
    http::put(
        &format!("{url}/{index}/_doc/bad?pipeline=_none&refresh=true"),
        &json!({"level": "Shape", "tenant": 42, "expires_at": in_hours(1)}),
    )
    .await;
    let well = run(&url, &index, &["doctor"]).ok().stdout;
    for line in [
        "ok      cluster: ",
        "ok      installation: the index is up to date",
        "ok      clock: ",
        "warning documents: 1 malformed, such as bad; remedy: directives list",
    ] {
        assert!(well.contains(line), "{line}: {well}");
    }
    let missing = run(&url, &unique_index("nodoctor"), &["doctor", "-o", "json"]);
    assert_eq!(missing.code, 1);
    let checks = missing.json()["checks"].take();
    assert!(
        checks
            .as_array()
            .unwrap()
            .iter()
            .any(|check| { check["health"] == "failure" && check["fix"] == "directives init" }),
        "{checks}"
    );
    let nowhere = run("http://127.0.0.1:1", &index, &["doctor"]);
    assert_eq!(nowhere.code, 1);
    assert!(
        nowhere.stdout.starts_with("failure cluster: "),
        "{}",
        nowhere.stdout
    );
}
