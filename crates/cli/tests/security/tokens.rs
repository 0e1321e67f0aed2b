//! Tests the authentication with JSON web tokens. The cluster must refuse invalid tokens, and an
//! agent must read a new token from its token file.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha512;

use crate::secured_cluster::{
    apply, configure, connection, error_of, installed_index, node, put_role, role_for,
};
use crate::support::agent::Agent;
use crate::support::command::{Ran, directives};

/// Returns the key with which the security plugin verifies JSON web tokens.
fn key() -> Vec<u8> {
    let text = std::fs::read_to_string(node().file("jwt-key")).unwrap();
    BASE64_STANDARD.decode(text.trim()).unwrap()
}

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Returns a JSON web token with the given claims, signed with the given key.
fn signed(claims: &Value, key: &[u8]) -> String {
    let header = json!({ "alg": "HS512", "typ": "JWT" });
    let content = format!("{}.{}", encoded(&header), encoded(claims));
    let mut mac = Hmac::<Sha512>::new_from_slice(key).unwrap();
    mac.update(content.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{content}.{signature}")
}

/// Returns the claims of a user for a token that expires in `seconds` seconds, or that has already
/// expired if `seconds` is negative.
fn claims(user: &str, seconds: i64) -> Value {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    json!({ "sub": user, "exp": now.checked_add_signed(seconds).unwrap() })
}

/// Returns a JSON web token of a user that is valid for the given time.
pub(crate) fn token(user: &str, valid_for: Duration) -> String {
    let seconds = valid_for.as_secs().cast_signed();
    signed(&claims(user, seconds), &key())
}

/// Gives the role `reader` for an index to a user who has no password.
pub(crate) async fn map_reader(user: &str, index: &str) {
    let role = format!("reads-{index}");
    put_role(&role, &role_for("reader", index)).await;
    configure(&format!("rolesmapping/{role}"), &json!({ "users": [user] })).await;
}

/// Runs `directives list` with a token or key in an environment variable.
fn list_with(index: &str, variable: &str, secret: &str) -> Ran {
    directives()
        .args(["list", "--url", &node().url(), "--directives-index", index])
        .args(connection())
        .env(variable, secret)
        .output()
        .unwrap()
        .into()
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn an_expired_or_forged_token_is_refused_and_not_printed() {
    let index = installed_index("token").await;
    map_reader("token-user", &index).await;
    let claims_now = claims("token-user", 600);
    let right = signed(&claims_now, &key());
    let list = |token: &str| list_with(&index, "DIRECTIVES_BEARER_TOKEN", token);
    list(&right).ok();
    let (content, signature) = right.rsplit_once('.').unwrap();
    let (header, _) = content.split_once('.').unwrap();
    let other_user = encoded(&claims("admin", 600));
    let without_algorithm = encoded(&json!({ "alg": "none" }));
    for (name, token) in [
        ("expired", signed(&claims("token-user", -60), &key())),
        ("signed by another key", signed(&claims_now, &[7; 64])),
        (
            "of another user",
            format!("{header}.{other_user}.{signature}"),
        ),
        (
            "without a signature",
            format!("{without_algorithm}.{}.", encoded(&claims_now)),
        ),
        ("cut off", content.to_owned()),
        ("no token", "Nine-Otters".to_owned()),
    ] {
        let ran = list(&token);
        assert_eq!(ran.code, 5, "{name}: {}", ran.stderr);
        for part in ["401", "check the token"] {
            assert!(ran.stderr.contains(part), "{name}: {}", ran.stderr);
        }
        assert!(!ran.stderr.contains(&token), "{name}: {}", ran.stderr);
    }
    // The cluster must refuse a valid token of a user who has no role for the index.
    let stranger = list(&token("stranger", Duration::from_mins(10)));
    assert_eq!(stranger.code, 5, "{}", stranger.stderr);
    assert!(stranger.stderr.contains("403"), "{}", stranger.stderr);
}

/// The security plugin of the test node has no API keys, so this test can only check that the node
/// refuses an unknown key.
#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn an_unknown_api_key_is_refused_and_not_printed() {
    let index = installed_index("api-key").await;
    let ran = list_with(&index, "DIRECTIVES_API_KEY", "id:Nine-Otters");
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    for part in ["401", "check the API key"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("Otters"), "{}", ran.stderr);
}

/// An agent whose token expires while it runs must read the next token from its token file.
#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn an_agent_whose_token_expires_takes_the_next_one_from_its_file() {
    let index = installed_index("expiring").await;
    apply(&index, "a", &[]);
    map_reader("token-agent", &index).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let first = token("token-agent", Duration::from_secs(20));
    std::fs::write(&file, &first).unwrap();
    let [flag, ca] = connection();
    let token_file = file.display().to_string();
    let args = [
        &[flag.as_str(), &ca, "--bearer-token-file", &token_file][..],
        &["--request-timeout", "10s", "--max-backoff", "1s"],
    ]
    .concat();
    let agent = Agent::start(&node().url(), &index, &args);
    agent
        .status_when("it is published", |status| status["directives"] == 1)
        .await;
    let status = agent
        .status_when("it is refused", |status| error_of(status).contains("401"))
        .await;
    assert_eq!(status["directives"], 1, "{status:#}");
    assert!(error_of(&status).contains("check the token"), "{status:#}");
    let next = token("token-agent", Duration::from_hours(1));
    std::fs::write(&file, &next).unwrap();
    apply(&index, "b", &[]);
    let status = agent
        .status_when("it reads again", |status| status["directives"] == 2)
        .await;
    let log = agent.stop();
    for secret in [first, next] {
        assert!(!status.to_string().contains(&secret), "{status:#}");
        assert!(!log.contains(&secret), "{log}");
    }
}
