//! Determines the author that a write records: the flag, else the user of the operating system,
//! else the authenticated user.

use opensearch_directives::admin::DirectivesApi;

use super::exit::Failure;

/// The name that a write carries. No write is anonymous.
pub(super) async fn author(given: Option<String>, api: &DirectivesApi) -> Result<String, Failure> {
    if let Some(name) = given.filter(|name| !name.trim().is_empty()) {
        return Ok(name);
    }
    if let Some(name) = system_user() {
        return Ok(name);
    }
    // The operating system has no name for the user, as in many containers.
    match api.authenticated_user().await? {
        Some(name) => Ok(name),
        None => Err(Failure::usage(
            "it is not known who you are: the operating system has no name for this user, and \
             the cluster tells none; give --author NAME",
        )),
    }
}

/// The user with the process's user id, which no environment variable can change; under `sudo`, the
/// user who called it.
fn system_user() -> Option<String> {
    let name = whoami::username().ok().filter(|name| !name.is_empty());
    match (name.as_deref(), std::env::var("SUDO_USER")) {
        (Some("root"), Ok(caller)) if !caller.is_empty() => Some(caller),
        _ => name,
    }
}
