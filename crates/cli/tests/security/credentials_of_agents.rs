//! Tests that an agent can authenticate with each kind of credentials. If the credentials of an
//! agent are wrong, the agent's status must name the mistake. After an operator has corrected the
//! credential file, the agent must use it without a restart.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::authentication::pem;
use crate::secured_cluster::{
    PASSWORD, admin, apply, connection, error_of, installed_index, node, role_for, user_with,
};
use crate::support::agent::Agent;
use crate::tokens::{map_reader, token};

/// One kind of credentials, with the flags of the agent, the file for the secret, the right and a
/// wrong content of this file, and the error text for the wrong content.
struct Kind {
    name: &'static str,
    flags: Vec<String>,
    file: std::path::PathBuf,
    right: String,
    wrong: String,
    says: &'static str,
}

impl Kind {
    fn start(&self, index: &str) -> Agent {
        let [flag, ca] = connection();
        let mut args = vec![flag.as_str(), &ca];
        args.extend(self.flags.iter().map(String::as_str));
        args.extend(["--request-timeout", "10s", "--max-backoff", "1s"]);
        args.extend(["--startup", "empty"]);
        Agent::start(&node().url(), index, &args)
    }
}

/// Returns all kinds of credentials that the security plugin accepts, for users who may read the
/// index.
async fn kinds(index: &str, folder: &Path) -> Vec<Kind> {
    let user = user_with(&role_for("reader", index)).await;
    let path = |name: &str| folder.join(name);
    let flag = |flag: &str, name: &str| vec![flag.to_owned(), path(name).display().to_string()];
    let named = |more: Vec<String>| [vec!["--username".to_owned(), user.clone()], more].concat();
    let certificate = std::fs::read_to_string(pem(folder, "client")).unwrap();
    // The node's own certificate serves as a wrong credential, because it belongs to no user with a
    // role.
    let stranger = std::fs::read_to_string(pem(folder, "node")).unwrap();
    std::fs::write(path("certificate-beside"), &certificate).unwrap();
    let both = [
        named(flag("--password-file", "password-beside")),
        flag("--client-certificate", "certificate-beside"),
    ]
    .concat();
    let wrong_password = || "Wrong-Otter-7".to_owned();
    map_reader("client", index).await;
    let kind = |name, flags, file: &str, right: &str, wrong, says| Kind {
        name,
        flags,
        file: path(file),
        right: right.to_owned(),
        wrong,
        says,
    };
    vec![
        kind(
            "password",
            named(flag("--password-file", "password")),
            "password",
            PASSWORD,
            wrong_password(),
            "401",
        ),
        kind(
            "token",
            flag("--bearer-token-file", "token"),
            "token",
            &token("client", Duration::from_hours(1)),
            wrong_password(),
            "401",
        ),
        kind(
            "certificate",
            flag("--client-certificate", "certificate"),
            "certificate",
            &certificate,
            stranger,
            "403",
        ),
        kind(
            "password and certificate",
            both,
            "password-beside",
            PASSWORD,
            wrong_password(),
            "",
        ),
    ]
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn an_agent_works_with_each_kind_of_credentials_and_takes_corrected_ones() {
    let index = installed_index("kinds").await;
    apply(&index, "a", &[]);
    let folder = tempfile::tempdir().unwrap();
    for kind in kinds(&index, folder.path()).await {
        std::fs::write(&kind.file, &kind.wrong).unwrap();
        let agent = kind.start(&index);
        // A wrong password causes no error if the agent also has a client certificate, because the
        // security plugin checks the certificate first.
        if !kind.says.is_empty() {
            let status = agent
                .status_when(kind.name, |status| error_of(status).contains(kind.says))
                .await;
            assert_eq!(status["revision"], Value::Null, "{status:#}");
            std::fs::write(&kind.file, &kind.right).unwrap();
            // The agent reads its credential files again after SIGHUP, after a response with status
            // 401, and once a minute.
            agent.signal("-HUP");
        }
        agent
            .status_when(kind.name, |status| status["directives"] == 1)
            .await;
        apply(&index, "b", &[]);
        agent
            .status_when(kind.name, |status| status["directives"] == 2)
            .await;
        let path = format!("/{index}/_doc/b?refresh=true");
        admin("DELETE", &path, None).await;
        agent
            .status_when(kind.name, |status| status["directives"] == 1)
            .await;
    }
}
