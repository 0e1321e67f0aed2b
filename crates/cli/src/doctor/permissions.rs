//! Checks the user's permissions, and names the roles that contain each permission that the user
//! lacks.

use opensearch_directives::admin::DirectivesApi;

use super::report::Checks;

const NAME: &str = "permissions";

pub(super) async fn check(checks: &mut Checks, api: &DirectivesApi) {
    let permissions = match api.permissions().await {
        Ok(permissions) => permissions,
        Err(error) => return checks.not_checked(NAME, &error, "check the credentials"),
    };
    let (granted, missing): (Vec<_>, Vec<_>) = permissions
        .into_iter()
        .partition(|permission| permission.is_granted);
    let granted: Vec<&str> = granted
        .iter()
        .map(|permission| permission.operation)
        .collect();
    if !granted.is_empty() {
        checks.ok(NAME, format!("the user may {}", granted.join("; ")));
    }
    for permission in missing {
        let text = format!(
            "the user may not {} ({})",
            permission.operation, permission.action
        );
        let fix = format!(
            "map the user to one of the roles {}, which `directives init --roles` creates",
            permission.roles.join(", ")
        );
        if permission.is_for_reading {
            checks.failure(NAME, text, fix);
        } else {
            checks.warning(NAME, text, fix);
        }
    }
}
