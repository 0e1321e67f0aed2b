//! Tests `explain --agent`, which sends the request for evaluation to a running agent, over TCP
//! with a token or over a Unix socket.

use crate::support::agent::Agent;
use crate::support::command::{Ran, directives, run, words};
use crate::support::node::{installed_index, shared_url};

const READER: &str = "reader-token-0123456789";
const PROXY: &str = "proxy-token-0123456789";

fn explain(agent: &str, args: &[&str], token: &str) -> Ran {
    let request = "explain --tenant acme --index orders --principal svc --endpoint search --agent";
    let output = directives()
        .args(words(request))
        .arg(agent)
        .args(args)
        .env("DIRECTIVES_AGENT_TOKEN", token)
        .output();
    output.unwrap().into()
}

#[tokio::test]
async fn an_agent_decides_and_its_set_gives_the_reasons() {
    let url = shared_url();
    let index = installed_index(&url, "explainagent").await;
    for text in [
        "hit --level Shape --tenant acme --ring-buffer",
        "near --level ShapeTiming --tenant acmee",
        "none --level ShapeTiming --tenant acme --sample 0%",
    ] {
        run(&url, &index, &words(&format!("apply {text}"))).ok();
    }
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let both = format!("{READER}\n{PROXY}");
    let (read, evaluate) = (write("read", READER), write("evaluate", &both));
    let socket = format!("unix:{}", folder.path().join("agent.sock").display());
    let flags = [
        "--read-token-file",
        &read,
        "--evaluate-token-file",
        &evaluate,
    ];
    let agent = Agent::start(&url, &index, &[&flags[..], &["--listen", &socket]].concat());
    let tcp = agent.url("");

    for address in [&tcp, &socket] {
        let said = explain(address, &[], READER).ok().stdout;
        assert!(
            said.starts_with("decision: Shape, ring-buffer\n"),
            "{address}: {said}"
        );
        for line in [
            "hit applies: Shape, tenant=acme",
            r#"near does not apply: tenant: "acmee" ≠ "acme""#,
            "none does not apply: the request is not in its sample of 0 ‰",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }
    // The token `PROXY` permits the command to evaluate requests, but not to read the published
    // set.
    let token = write("token", PROXY);
    let less = explain(&tcp, &["--agent-token-file", &token, "-o", "json"], "").ok();
    assert!(
        less.stderr.contains("does not permit this token to read"),
        "{}",
        less.stderr
    );
    assert_eq!(less.json()["decision"]["level"], "Shape");
    assert_eq!(less.json()["directives"][0]["id"], "hit");
    assert_eq!(less.json()["directives"][0]["applies"], true);

    let refused = explain(&tcp, &[], "");
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("--agent-token-file"),
        "{}",
        refused.stderr
    );
    for (address, code, says) in [
        (
            "http://127.0.0.1:1",
            4,
            "cannot reach the agent at http://127.0.0.1:1",
        ),
        (
            "unix:/nonexistent",
            4,
            "cannot reach the agent at unix:/nonexistent",
        ),
        ("127.0.0.1:9980", 2, "write http://HOST:9980"),
        (&url, 1, "is it a `directives agent`?"),
    ] {
        let failed = explain(address, &[], "");
        assert_eq!(failed.code, code, "{address}: {}", failed.stderr);
        assert!(failed.stderr.contains(says), "{address}: {}", failed.stderr);
    }
}
