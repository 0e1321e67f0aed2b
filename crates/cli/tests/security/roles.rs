//! Tests that each role of `mappings/roles` permits exactly the verbs that `mappings/README.md`
//! documents.

use serde_json::{Value, json};

use crate::secured_cluster::{
    ROLES, admin_runs, one_change, put_role, put_user, role_file, role_for, run,
};
use crate::support::node::unique_index;
use crate::try_every_verb::{CHECKS, outcome, prepare};

const BEGIN: &str = "<!-- begin: roles, compared by a test -->\n";
const END: &str = "<!-- end: roles -->";

pub(crate) fn readme() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../mappings/README.md");
    std::fs::read_to_string(file).unwrap()
}

/// Builds the table of roles in `mappings/README.md` by trying every verb under every role.
async fn table() -> String {
    let mut lines = vec![
        format!("| | {} |", ROLES.join(" | ")),
        format!("|---|{}", "---|".repeat(ROLES.len())),
    ];
    for check in CHECKS {
        let mut cells = Vec::new();
        for role in ROLES {
            cells.push(outcome(check, &format!("table-{role}")).await);
        }
        lines.push(format!("| {check} | {} |", cells.join(" | ")));
    }
    lines.join("\n") + "\n"
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn each_role_permits_exactly_the_documented_verbs() {
    let lock = crate::secured_cluster::directives_index().await;
    prepare().await;
    for role in ROLES {
        let user = format!("table-{role}");
        put_role(&format!("directives_{role}"), &role_file(role)).await;
        put_user(&user, &[&format!("directives_{role}")]).await;
    }
    let found = table().await;
    let readme = readme();
    let (_, rest) = readme.split_once(BEGIN).unwrap();
    let (written, _) = rest.split_once(END).unwrap();
    assert_eq!(
        written, found,
        "mappings/README.md should contain:\n{found}"
    );
    drop(lock);
}

/// The permissions that no check of this test needs, each with the roles that contain it, and the
/// reason why they contain it.
const UNSEEN: [(&[&str], &str, &str); 3] = [
    (
        &["reader", "recorder"],
        "indices:admin/mappings/get",
        "an agent compares the mapping with what it expects, to notice hidden fields",
    ),
    (
        &["responder", "operator"],
        "cluster:monitor/nodes/stats",
        "the command takes the time from the cluster where it may, else from its own clock",
    ),
    (
        &["responder", "operator"],
        "cluster:admin/ingest/pipeline/get",
        "the command uses the lifetime limits of the cluster where it may read them, else those of its flags",
    ),
];

fn is_unseen(role: &str, permission: &str) -> bool {
    let mut unseen = UNSEEN.iter();
    unseen.any(|(roles, of, _)| roles.contains(&role) && *of == permission)
}

/// Returns the names of the checks that must succeed under the role `role`.
fn checks_of(role: &str) -> &'static [&'static str] {
    match role {
        "reader" => &["`agent`", "`list` of more than 10,000"],
        "recorder" => &[
            "`agent`",
            "`agent --record-history`",
            "write the history",
            "`list` of more than 10,000",
            "read the history",
        ],
        "reporter" => &["report to the fleet"],
        "responder" => &[
            "`list`",
            "`list` of more than 10,000",
            "`get`",
            "`apply` over an older one",
            "`extend`",
            "`edit`",
            "`revoke`",
            "`status`",
            "`sign`",
        ],
        "operator" => &[
            "`list`",
            "`list` of more than 10,000",
            "`get`",
            "`apply` over an older one",
            "`extend`",
            "`edit`",
            "`revoke`",
            "`sign`",
            "`delete`",
            "`status`",
        ],
        "auditor" => &[
            "`list`",
            "`list` of more than 10,000",
            "`get`",
            "read the history",
            "the requests of `history`",
            "`status`",
            "the requests of Dashboards",
        ],
        _ => &["`init`", "`init --history`"],
    }
}

/// Returns true if all checks of the role `role` succeed for the user `user`.
async fn does_its_work(role: &str, user: &str) -> bool {
    for check in checks_of(role) {
        if outcome(check, user).await != "yes" {
            return false;
        }
    }
    true
}

/// No check fails without these permissions, so only this test notices that a role has lost one of
/// them.
#[test]
fn each_permission_that_no_check_needs_is_in_its_roles() {
    for (roles, permission, reason) in UNSEEN {
        for role in roles {
            let held = permissions(&role_file(role));
            let has_it = held.iter().any(|(_, _, name)| name == permission);
            assert!(has_it, "{role} lacks {permission}: {reason}");
        }
    }
}

#[test]
fn the_role_operator_has_every_permission_of_the_role_responder() {
    let without_place = |role: &str| {
        let permissions = permissions(&role_file(role)).into_iter();
        permissions.map(|(list, _, name)| (list, name))
    };
    let operator: Vec<(String, String)> = without_place("operator").collect();
    for permission in without_place("responder") {
        assert!(operator.contains(&permission), "{permission:?}");
    }
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn no_role_has_a_permission_that_nothing_needs() {
    let lock = crate::secured_cluster::directives_index().await;
    prepare().await;
    let reader = role_file("reader");
    let mut superfluous = Vec::new();
    // The test skips the role `responder`, because the role `operator` contains all permissions of
    // the role `responder`.
    for role in ROLES.into_iter().filter(|role| *role != "responder") {
        let whole = role_file(role);
        let user = format!("trimmed-{role}");
        put_role(&user, &whole).await;
        put_user(&user, &[&user]).await;
        assert!(does_its_work(role, &user).await, "{role}");
        for (list, place, permission) in permissions(&whole) {
            // The test skips a permission of the role `recorder` that the role `reader` also
            // contains, because the checks of `reader` have already shown that the permission is
            // needed.
            let is_shown = role == "recorder"
                && !list.contains("/1/")
                && reader.to_string().contains(&format!("\"{permission}\""));
            if is_shown || is_unseen(role, &permission) {
                continue;
            }
            let mut trimmed = whole.clone();
            let actions = trimmed.pointer_mut(&list).unwrap().as_array_mut().unwrap();
            actions.remove(place);
            put_role(&user, &trimmed).await;
            if does_its_work(role, &user).await {
                superfluous.push(format!("{role}: {permission} ({list})"));
            }
        }
    }
    assert_eq!(superfluous, Vec::<String>::new());
    drop(lock);
}

/// Returns each permission of a role as the JSON path of the list that contains the permission, the
/// position in this list, and the name of the permission.
fn permissions(role: &Value) -> Vec<(String, usize, String)> {
    let indices = role["index_permissions"].as_array().unwrap().len();
    let lists = (0..indices).map(|n| format!("/index_permissions/{n}/allowed_actions"));
    std::iter::once("/cluster_permissions".to_owned())
        .chain(lists)
        .flat_map(|list| {
            let actions = role.pointer(&list).unwrap().as_array().unwrap().clone();
            let actions = actions.into_iter().enumerate();
            actions.map(move |(place, action)| {
                (list.clone(), place, action.as_str().unwrap().to_owned())
            })
        })
        .collect()
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn init_installs_the_roles_for_its_index() {
    let index = unique_index("roles");
    let changes = async |flags: &[&str]| {
        let _one = one_change().await;
        let ran = admin_runs(&index, &[&["init", "--roles"], flags].concat()).ok();
        let roles = ran.stdout.lines().filter(|line| line.contains(" role "));
        let change = |line: &str| line.split(' ').next().unwrap().to_owned();
        roles.map(change).collect::<Vec<String>>()
    };
    assert_eq!(changes(&[]).await, ["create"; 7]);
    assert_eq!(changes(&[]).await, ["keep"; 7]);
    // The role that `init --roles` created must permit access to the index of the command. A role
    // that `init --roles` created for another index must not permit access to the index
    // `directives`, which the role's file in `mappings/roles` names.
    let reader = format!("{index}_reader");
    put_user(&reader, &[&reader]).await;
    run(&reader, &index, &["list"]).ok();
    assert_eq!(run(&reader, "directives", &["list"]).code, 5);
    assert_eq!(run(&reader, &index, &["init", "--roles"]).code, 5);
    // If an existing role hides a field, `init --roles` must remove this restriction from the role.
    let mut role = role_for("reader", &index);
    role["index_permissions"][0]["fls"] = json!(["~tenant"]);
    put_role(&reader, &role).await;
    let update = ["update", "keep", "keep", "keep", "keep", "keep", "keep"];
    assert_eq!(changes(&[]).await, update);
    assert_eq!(changes(&[]).await, ["keep"; 7]);
}
