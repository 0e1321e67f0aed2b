//! Tests that each write to a directive records two names, the author and the user that the cluster
//! authenticated. Also tests that each write replaces the user's name that an earlier write
//! recorded.
//!
//! The node of these tests has no security plugin, so the tests themselves set the user name that
//! the plugin would report. `scripts/test-security` runs similar tests on a node with the security
//! plugin.

use opensearch_directives::admin::{Client, DirectivesApi};
use opensearch_directives::document::{Draft, Expiry};
use opensearch_directives::{DiagLevel, DirectiveMatch};
use serde_json::{Value, json};
use test_support::node::cluster;

use crate::support::command::run;
use crate::support::http;
use crate::support::node::{installed_index, shared_url, unique_index};

fn api(url: &str, index: &str, user: &str) -> DirectivesApi {
    let client = Client::new(&cluster(url, index)).unwrap();
    DirectivesApi::new(client).with_authenticated_user(Some(user.to_owned()))
}

fn draft(level: DiagLevel) -> Draft {
    let mut draft = Draft::new(
        "one",
        level,
        Expiry::After(std::time::Duration::from_hours(1)),
    );
    draft.match_ = DirectiveMatch::all().for_tenant("acme");
    draft.author = Some("ann".to_owned());
    draft
}

async fn stored(url: &str, index: &str) -> Value {
    let (_, document) = http::get(&format!("{url}/{index}/_doc/one")).await;
    document["_source"].clone()
}

#[tokio::test]
async fn no_write_keeps_the_authenticated_name_of_another_one() {
    let url = shared_url();
    let index = installed_index(&url, "authenticated").await;
    let stored = async || stored(&url, &index).await;
    let details = || run(&url, &index, &["get", "one"]).ok().stdout;
    let ops = api(&url, &index, "ops@corp");
    let shape = [draft(DiagLevel::Shape)];
    ops.apply(&shape).await.unwrap();
    let one = stored().await;
    assert_eq!(
        (&one["updated_by"], &one["authenticated_as"]),
        (&json!("ann"), &json!("ops@corp"))
    );
    assert!(
        details().contains(" by ann (authenticated as ops@corp)"),
        "{}",
        details()
    );
    // If another user applies a directive with the same content, the stored document must not
    // change.
    api(&url, &index, "eve@corp").apply(&shape).await.unwrap();
    assert_eq!(stored().await, one);
    // `apply` must accept the output of `get`, although this output contains the name of the
    // authenticated user.
    let printed = run(&url, &index, &["get", "one", "-o", "json"]).ok().stdout;
    let again = crate::support::command::run_with(&url, &index, &["apply", "-f", "-"], &printed);
    assert!(again.ok().stdout.starts_with("unchanged one "));

    // Without the security plugin, the node reports no user name.
    run(&url, &index, &["edit", "one", "--set", "level=Off"]).ok();
    let edited = stored().await;
    assert_eq!(edited["updated_by"], "tester");
    assert!(edited["authenticated_as"].is_null(), "{edited}");

    ops.apply(&[draft(DiagLevel::ShapeTiming)]).await.unwrap();
    assert_eq!(stored().await["authenticated_as"], "ops@corp");
    let path = format!("{url}/{index}/_update/one");
    let update = json!({"doc": {"reason": "by curl", "authenticated_as": "ops@corp"}});
    let (status, response) = http::send("POST", &path, Some(&update)).await;
    assert_eq!(status, 200, "{response}");
    let updated = stored().await;
    assert_eq!(updated["updated_by"], "unknown");
    assert!(updated["authenticated_as"].is_null(), "{updated}");

    ops.apply(&[draft(DiagLevel::Shape)]).await.unwrap();
    run(&url, &index, &["revoke", "one"]).ok();
    let revoked = stored().await;
    assert_eq!(revoked["revoked_by"], "tester");
    assert!(revoked["authenticated_as"].is_null(), "{revoked}");
    assert!(!details().contains("authenticated as"), "{}", details());
    ops.apply(&[draft(DiagLevel::Shape)]).await.unwrap();
    api(&url, &index, "eve@corp")
        .revoke("one", Some("eve"))
        .await
        .unwrap();
    assert_eq!(stored().await["authenticated_as"], "eve@corp");
}

/// The index of this test has the mapping of an earlier version, which lacks the field
/// `authenticated_as`. Each write to an index with the older mapping must succeed and must omit the
/// field `authenticated_as`.
#[tokio::test]
async fn an_older_mapping_takes_every_write() {
    let url = shared_url();
    // The call of `installed_index` installs the current ingest pipeline, which this test needs.
    installed_index(&url, "pipeline").await;
    let template = include_str!("../../../mappings/index-template.json");
    let mut body = serde_json::from_str::<Value>(template).unwrap()["template"].take();
    let fields = body["mappings"]["properties"].as_object_mut().unwrap();
    fields.remove("authenticated_as").unwrap();
    let index = unique_index("older");
    http::put(&format!("{url}/{index}"), &body).await;
    let ops = api(&url, &index, "ops@corp");
    ops.apply(&[draft(DiagLevel::Shape)]).await.unwrap();
    assert_eq!(stored(&url, &index).await["updated_by"], "ann");
    ops.revoke("one", Some("bob")).await.unwrap();
    let revoked = stored(&url, &index).await;
    assert_eq!(revoked["revoked"], true);
    assert_eq!(revoked["revoked_by"], "bob");
}
