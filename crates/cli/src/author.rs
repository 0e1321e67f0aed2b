//! Determines the name of the author that a write stores in the document. If `--author` is given,
//! the author is the name in this flag. If `--author` is absent, the author is the operating
//! system's user. If the operating system has no name for its user, the author is the user whom the
//! cluster authenticated.

use opensearch_directives::admin::DirectivesApi;

use super::exit::Failure;

/// Returns the name of the author to store with a write, or an error if no name is known.
pub(super) async fn author(given: Option<String>, api: &DirectivesApi) -> Result<String, Failure> {
    if let Some(name) = given.filter(|name| !name.trim().is_empty()) {
        return Ok(name);
    }
    if let Some(name) = system_user() {
        return Ok(name);
    }
    // In many containers, the operating system has no name for the user id, so the function asks
    // the cluster for the name of the authenticated user.
    match api.authenticated_user().await? {
        Some(name) => Ok(name),
        None => Err(Failure::usage(
            "the author of this write is unknown: neither the operating system nor the cluster has a \
             name for this user; give --author NAME",
        )),
    }
}

/// Returns the user and the host of this process, for the field `recorded_by` of the history
/// records that the process writes.
pub(super) fn recorder_name() -> String {
    let user = system_user().unwrap_or_else(|| "unknown".to_owned());
    let host = whoami::hostname().unwrap_or_else(|_| "unknown".to_owned());
    format!("command {user}@{host}")
}

/// Returns the name of the operating system's user who runs the process. The function looks up the
/// name by the user id instead of `$USER`, because the user can change `$USER`. Under `sudo`, the
/// function returns the user who called `sudo`.
fn system_user() -> Option<String> {
    let name = whoami::username().ok().filter(|name| !name.is_empty());
    match (name.as_deref(), std::env::var("SUDO_USER")) {
        (Some("root"), Ok(caller)) if !caller.is_empty() => Some(caller),
        _ => name,
    }
}
