//! Determines the author that a write records. The author is the name in `--author`. If `--author`
//! is absent, the author is the user of the operating system. If the operating system has no name
//! for the user, the author is the user that the cluster authenticated.

use opensearch_directives::admin::DirectivesApi;

use super::exit::Failure;

/// Returns the author's name for a write, or an error if the author is unknown.
pub(super) async fn author(given: Option<String>, api: &DirectivesApi) -> Result<String, Failure> {
    if let Some(name) = given.filter(|name| !name.trim().is_empty()) {
        return Ok(name);
    }
    if let Some(name) = system_user() {
        return Ok(name);
    }
    // In many containers, the operating system has no name for the user id, so the function
    // requests the name of the authenticated user from the cluster.
    match api.authenticated_user().await? {
        Some(name) => Ok(name),
        None => Err(Failure::usage(
            "the author of this write is unknown: neither the operating system nor the cluster has a \
             name for this user; give --author NAME",
        )),
    }
}

/// Returns the text that this process writes into the field `recorded_by` of history records. The
/// text contains the user and the host.
pub(super) fn recorder_name() -> String {
    let user = system_user().unwrap_or_else(|| "unknown".to_owned());
    let host = whoami::hostname().unwrap_or_else(|_| "unknown".to_owned());
    format!("command {user}@{host}")
}

/// Returns the name of the user who runs the process. The function looks up the name by the user
/// id, because the user can change `$USER`. Under `sudo`, the function returns the user who called
/// `sudo`.
fn system_user() -> Option<String> {
    let name = whoami::username().ok().filter(|name| !name.is_empty());
    match (name.as_deref(), std::env::var("SUDO_USER")) {
        (Some("root"), Ok(caller)) if !caller.is_empty() => Some(caller),
        _ => name,
    }
}
