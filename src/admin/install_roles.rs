//! Installs the roles of `mappings/roles` with the REST API of the security plugin.

use serde_json::{Value, json};

use super::installer::{Change, InstallError, InstallStep, Installer, file};
use crate::http::{Method, Request, segment};

const WHAT: &str = "role";
/// The name of the index in the files of `mappings/roles` is a placeholder. When a role is
/// installed, the name of the real index replaces the placeholder in the index patterns.
const INDEX_IN_FILES: &str = "directives";
const ROLES: [(&str, &str); 7] = [
    (
        "reader",
        include_str!("../../mappings/roles/directives_reader.json"),
    ),
    (
        "recorder",
        include_str!("../../mappings/roles/directives_recorder.json"),
    ),
    (
        "reporter",
        include_str!("../../mappings/roles/directives_reporter.json"),
    ),
    (
        "responder",
        include_str!("../../mappings/roles/directives_responder.json"),
    ),
    (
        "operator",
        include_str!("../../mappings/roles/directives_operator.json"),
    ),
    (
        "auditor",
        include_str!("../../mappings/roles/directives_auditor.json"),
    ),
    (
        "installer",
        include_str!("../../mappings/roles/directives_installer.json"),
    ),
];

impl Installer {
    /// Returns the steps that [`install_roles`](Self::install_roles) would execute now, without
    /// executing them.
    ///
    /// # Errors
    /// Returns an error if the cluster has no security plugin, or if the user may not read the
    /// roles.
    pub async fn plan_roles(&self) -> Result<Vec<InstallStep>, InstallError> {
        let mut steps = Vec::with_capacity(ROLES.len());
        for (name, json) in ROLES {
            let name = format!("{}_{name}", self.client.index());
            let path = format!("/_plugins/_security/api/roles/{}", segment(&name));
            let body = role_for(self.client.index(), json);
            let installed = self
                .fetch(WHAT, Request::new(Method::Get, path.clone()))
                .await?;
            steps.push(InstallStep {
                what: WHAT,
                change: match installed.as_ref().map(|response| &response[&name]) {
                    None => Change::Create,
                    Some(installed) if permits_the_same(installed, &body) => Change::Keep,
                    Some(_) => Change::Update,
                },
                method: "PUT",
                path,
                body,
            });
        }
        Ok(steps)
    }

    /// Creates the security roles for the client's index. If a role with the same name exists but
    /// has a different content, the method replaces this role. The method returns one installation
    /// step for each role. The method does not map users to the created roles.
    ///
    /// # Errors
    /// Returns the errors of [`plan_roles`](Self::plan_roles). The method also returns an error if
    /// the user may not change roles.
    pub async fn install_roles(&self) -> Result<Vec<InstallStep>, InstallError> {
        let steps = self.plan_roles().await?;
        for step in steps.iter().filter(|step| step.change != Change::Keep) {
            let request = Request::new(Method::Put, step.path.clone()).json(step.body.to_string());
            let sent = self.client.send(request).await;
            sent.map_err(|source| InstallError::request(WHAT, source))?;
        }
        Ok(steps)
    }
}

/// Returns the names of the roles that contain the permission `action` for the given index. The
/// result leaves out a role that contains the permission only for another index, such as the
/// fleet's index.
pub(super) fn roles_that_permit(action: &str, index: &str) -> Vec<String> {
    let contains = |list: &Value, wanted: &str| {
        let list = list.as_array();
        list.is_some_and(|list| list.iter().any(|one| one == wanted))
    };
    let permits = |json: &str| {
        let role = role_for(index, json);
        let all = role["index_permissions"].as_array().into_iter().flatten();
        let of_index: Vec<&Value> = all
            .filter(|one| contains(&one["index_patterns"], index))
            .collect();
        let in_cluster = contains(&role["cluster_permissions"], action);
        let permits = |one: &&Value| in_cluster || contains(&one["allowed_actions"], action);
        of_index.iter().any(permits)
    };
    let permitting = ROLES.into_iter().filter(|(_, json)| permits(json));
    permitting
        .map(|(name, _)| format!("{index}_{name}"))
        .collect()
}

/// Parses the file of a role, and replaces the placeholder in its index patterns with the name of
/// the index.
fn role_for(index: &str, json: &str) -> Value {
    let mut role = file(json);
    let permissions = role["index_permissions"].as_array_mut();
    for permissions in permissions.into_iter().flatten() {
        let patterns = permissions["index_patterns"].as_array_mut();
        for pattern in patterns.into_iter().flatten() {
            if let Some(suffix) = pattern
                .as_str()
                .and_then(|text| text.strip_prefix(INDEX_IN_FILES))
            {
                *pattern = format!("{index}{suffix}").into();
            }
        }
    }
    role
}

/// Returns true if an installed role has the same description and the same permissions as the role
/// in the embedded file. The security plugin adds default values to an installed role, and the
/// comparison ignores these values.
fn permits_the_same(installed: &Value, role: &Value) -> bool {
    let indices = |of: &Value| {
        let permissions = of["index_permissions"].as_array();
        let permissions = permissions.into_iter().flatten();
        let essence = |one: &Value| {
            json!({
                "index_patterns": one["index_patterns"],
                "allowed_actions": one["allowed_actions"],
                "dls": one["dls"].as_str().filter(|query| !query.is_empty()),
                "fls": one["fls"].as_array().filter(|fields| !fields.is_empty()),
                "masked_fields": one["masked_fields"].as_array().filter(|fields| !fields.is_empty()),
            })
        };
        permissions.map(essence).collect::<Vec<_>>()
    };
    installed["description"] == role["description"]
        && installed["cluster_permissions"] == role["cluster_permissions"]
        && indices(installed) == indices(role)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn each_role_grants_permissions_only_for_this_index_its_history_and_its_fleet() {
        for (name, json) in ROLES {
            let role = role_for("mine", json);
            assert!(role["description"].is_string(), "{name}");
            for permissions in role["index_permissions"].as_array().unwrap() {
                for pattern in permissions["index_patterns"].as_array().unwrap() {
                    let pattern = pattern.as_str().unwrap();
                    assert!(
                        ["mine", "mine-history", "mine-fleet", "mine-fleet-history"]
                            .contains(&pattern),
                        "{name}: {pattern}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_added_restriction_is_a_difference() {
        let role = role_for("mine", ROLES[0].1);
        let mut installed = role.clone();
        installed["reserved"] = false.into();
        installed["index_permissions"][0]["fls"] = json!([]);
        installed["index_permissions"][0]["dls"] = "".into();
        assert!(permits_the_same(&installed, &role));
        for (key, value) in [
            ("fls", json!(["~tenant"])),
            ("dls", json!("{\"match_none\":{}}")),
            ("masked_fields", json!(["tenant"])),
            ("allowed_actions", json!(["*"])),
        ] {
            let mut other = installed.clone();
            other["index_permissions"][0][key] = value;
            assert!(!permits_the_same(&other, &role), "{key}");
        }
    }
}
