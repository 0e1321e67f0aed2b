//! Tests an agent whose user has only one role, for each role in `mappings/roles`. Under a role
//! that permits polling, the agent must poll for a minute without a failure. Under any other role,
//! the cluster must refuse the agent's requests, and the agent must publish nothing.

use serde_json::Value;

use crate::secured_cluster::{
    ROLES, admin, agent_with, apply, error_of, installed_index, role_for, user_with,
};

/// The number of polls for which each agent runs, which takes a minute at one poll per second.
const POLLS: u64 = 60;
/// The roles that do not permit an agent to poll the index.
const REFUSED: [&str; 2] = ["reporter", "installer"];

fn reads_of_all(status: &Value) -> u64 {
    let reads = &status["counters"]["reads"];
    let count = |name: &str| reads[name].as_u64().unwrap();
    count("full_reads") + count("reconciles")
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn an_agent_under_each_role_polls_for_a_minute_without_a_failure_or_is_refused() {
    let index = installed_index("minute").await;
    for id in ["first", "second"] {
        apply(&index, id, &[]);
    }
    let mut agents = Vec::new();
    for role in ROLES {
        let user = user_with(&role_for(role, &index)).await;
        // The agents get a long time limit for each poll, because a busy machine may be slow to
        // respond.
        let more = ["--reconcile-interval", "2s", "--poll-timeout", "60s"];
        agents.push((role, agent_with(&user, &index, &more), user));
    }
    apply(&index, "third", &[]);
    let path = format!("/{index}/_doc/first?refresh=true");
    admin("DELETE", &path, None).await;
    for (role, agent, user) in &agents {
        let has_user = |status: &Value| status.to_string().contains(user.as_str());
        if REFUSED.contains(role) {
            let status = agent
                .status_when(role, |status| error_of(status).contains("403"))
                .await;
            assert_eq!(status["revision"], Value::Null, "{role}: {status:#}");
            assert!(!has_user(&status), "{role}: {status:#}");
            continue;
        }
        let status = agent
            .status_when(role, |status| {
                let polls = status["counters"]["polls_succeeded"].as_u64();
                polls >= Some(POLLS) && reads_of_all(status) >= 3 && status["directives"] == 2
            })
            .await;
        // The cluster's error about a missing permission contains the user's name, which the agent
        // must remove before it quotes the error in its status.
        assert!(!has_user(&status), "{role}: {status:#}");
        let counters = &status["counters"];
        assert_eq!(counters["polls_failed"], 0, "{role}: {status:#}");
        assert_eq!(counters["reads"]["corrections"], 0, "{role}: {status:#}");
        assert_eq!(counters["panics"], 0, "{role}: {status:#}");
    }
}
