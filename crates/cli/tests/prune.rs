//! Tests that `prune` deletes only directives that ended long ago.

use serde_json::json;

use crate::support::command::{run, words};
use crate::support::http;
use crate::support::in_hours;
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn prune_deletes_only_directives_that_ended_long_ago() {
    let url = shared_url();
    let index = installed_index(&url, "prune").await;
    let old = |tenant: &str, hours: i64| {
        json!({"targets": ["tenant"], "tenant": tenant, "level": "Shape", "sample_per_mille": 1000,
               "starts_at": in_hours(hours - 1), "expires_at": in_hours(hours), "revoked": false})
    };
    for (id, hours) in [("long-ago", -30 * 24), ("yesterday", -24)] {
        let mut document = old(id, hours);
        // The test writes only the fields of a document that the mapping of the index contains.
        let mapping: serde_json::Value = reqwest::get(format!("{url}/{index}/_mapping"))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let known = mapping[&index]["mappings"]["properties"]
            .as_object()
            .unwrap()
            .clone();
        document
            .as_object_mut()
            .unwrap()
            .retain(|field, _| known.contains_key(field));
        let path = format!("{url}/{index}/_doc/{id}?pipeline=_none&refresh=true");
        http::put(&path, &document).await;
    }
    run(
        &url,
        &index,
        &words("apply now --level Shape --tenant acme"),
    )
    .ok();
    let prune = |args: &str| {
        run(
            &url,
            &index,
            &words(&format!("prune --ended-before {args}")),
        )
    };
    assert_eq!(prune("7d").code, 2, "a script must give --yes");
    assert!(
        prune("7d --dry-run")
            .ok()
            .stdout
            .contains("would delete long-ago")
    );
    assert!(prune("7d --yes").ok().stdout.contains("deleted long-ago"));
    assert_eq!(
        run(&url, &index, &["list", "-o", "name"]).ok().stdout,
        "now\nyesterday\n"
    );
}
