//! If a directive does not apply to a request, `explain` must name the condition of the directive
//! that the request fails to meet.

use crate::support::command::{run, words};
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn explain_names_the_first_condition_that_fails_near_misses_first() {
    let url = shared_url();
    let index = installed_index(&url, "explain").await;
    for text in [
        "hit --level Shape --tenant acme --ring-buffer",
        "far --level ShapeTiming --tenant umbrella --index logs",
        "none --level ShapeTiming --tenant acme --sample 0%",
        "later --level ShapeTiming --tenant acme --starts-at +1h",
        "ended --level ShapeTiming --tenant acme",
    ] {
        run(&url, &index, &[vec!["apply"], words(text)].concat()).ok();
    }
    let spaced = [
        "apply",
        "near",
        "--level",
        "ShapeTiming",
        "--tenant",
        "acme ",
        "--literal",
    ];
    run(&url, &index, &spaced).ok();
    run(&url, &index, &["revoke", "ended"]).ok();
    let request = "explain --tenant acme --index orders --principal svc --endpoint search";
    let printed = run(&url, &index, &words(request)).ok().stdout;
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "decision: Shape, ring-buffer", "{printed}");
    assert!(
        lines[1].starts_with("  hit applies: Shape, tenant=acme"),
        "{printed}"
    );
    for expected in [
        r#"near does not apply: tenant: "acme " ≠ "acme""#,
        r#"far does not apply: tenant: "umbrella" ≠ "acme""#,
        "none does not apply: the request is not in its sample of 0 ‰",
        "later does not apply: it starts ",
        "ended does not apply: it is revoked",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    let order = |id: &str| printed.find(&format!("  {id} ")).unwrap();
    assert!(order("near") < order("far"), "{printed}");
}
