//! Tests client certificates that another authority has signed, that have expired, or that an
//! operator replaces while an agent runs.

use std::path::Path;

use rcgen::{CertificateParams, DnType, Issuer, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use crate::authentication::{list, pem};
use crate::secured_cluster::{
    apply, configure, connection, error_of, installed_index, node, put_role, role_for,
};
use crate::support::agent::Agent;

const PATIENCE: [&str; 6] = [
    "--request-timeout",
    "10s",
    "--max-backoff",
    "1s",
    "--startup",
    "empty",
];

/// Gives the role `reader` to a user who has no password and can authenticate only with a
/// certificate.
async fn map_reader(role: &str, user: &str, index: &str) {
    put_role(role, &role_for("reader", index)).await;
    let mapping = json!({ "users": [user] });
    configure(&format!("rolesmapping/{role}"), &mapping).await;
}

/// Starts an agent with a client certificate that the node refuses. Replaces the file of the
/// certificate by the right certificate, and waits until the agent has read the index.
async fn becomes_valid(index: &str, file: &Path, right: &str) {
    let [ca_flag, ca] = connection();
    let path = file.display().to_string();
    let args = [
        &[ca_flag.as_str(), &ca, "--client-certificate", &path][..],
        &PATIENCE,
    ]
    .concat();
    let agent = Agent::start(&node().url(), index, &args);
    let status = agent
        .status_when("it is refused", |status| !error_of(status).is_empty())
        .await;
    assert_eq!(status["revision"], Value::Null, "{status:#}");
    std::fs::write(file, right).unwrap();
    // The agent reads its certificate files again once a minute, and whenever it receives SIGHUP.
    agent.signal("-HUP");
    agent
        .status_when("it is published", |status| status["directives"] == 1)
        .await;
}

/// Returns a certificate of the user `client`, signed by the authority `authority`, and the key of
/// the certificate.
fn certificate(authority: &str, expires: (i32, u8, u8)) -> String {
    let file = node().file(&format!("{authority}-key.pem"));
    let key = KeyPair::from_pem(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, authority.to_owned());
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "client");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(expires.0, expires.1, expires.2);
    params.signed_by(&own, &issuer).unwrap().pem() + &own.serialize_pem()
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn a_client_certificate_is_refused_if_it_is_forged_or_expired_and_can_be_replaced() {
    let index = installed_index("certificates").await;
    apply(&index, "a", &[]);
    map_reader("by-rotated-certificate", "client", &index).await;
    let folder = tempfile::tempdir().unwrap();
    let right = std::fs::read_to_string(pem(folder.path(), "client")).unwrap();
    let file = folder.path().join("used.pem");
    let path = file.display().to_string();
    let [flag, ca] = connection();
    let later = (2100, 1, 1);
    for (name, content, is_accepted) in [
        ("of the authority", certificate("ca", later), true),
        ("expired", certificate("ca", (2021, 1, 1)), false),
        (
            "of another authority",
            certificate("other-ca", later),
            false,
        ),
    ] {
        std::fs::write(&file, content).unwrap();
        let ran = list(&index, &[&flag, &ca, "--client-certificate", &path]);
        assert_eq!(ran.code == 0, is_accepted, "{name}: {}", ran.stderr);
        assert!(
            is_accepted || ran.code == 4 || ran.code == 5,
            "{}",
            ran.code
        );
    }
    becomes_valid(&index, &file, &right).await;
}
