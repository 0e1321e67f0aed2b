//! Checks that the table of roles in `mappings/README.md` covers every verb of the command.

use crate::roles::readme;
use crate::support::command::directives;
use crate::try_every_verb::CHECKS;

/// The verbs that send no request to the cluster, so that the table of roles need not contain them.
const WITHOUT_A_CLUSTER: [&str; 5] = ["completion", "context", "keygen", "man", "probe"];

/// Returns the verbs of the command, such as `history verify`, from the names of the generated
/// manual pages. The command generates the manual pages from the definition of its command line, so
/// the pages always contain every verb.
fn verbs() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let made = directives().arg("man").arg(folder.path()).output().unwrap();
    assert!(made.status.success());
    let pages = std::fs::read_dir(folder.path()).unwrap();
    let verb = |page: std::io::Result<std::fs::DirEntry>| {
        let name = page.unwrap().file_name().into_string().unwrap();
        let verb = name.strip_prefix("directives-")?.strip_suffix(".1")?;
        Some(verb.replace('-', " "))
    };
    let mut verbs: Vec<String> = pages.filter_map(verb).collect();
    verbs.sort();
    verbs
}

/// Returns true if a row of the table of roles contains the verb, with or without flags.
fn is_in_the_table(verb: &str) -> bool {
    CHECKS.iter().any(|check| {
        let rest = check
            .strip_prefix('`')
            .and_then(|check| check.strip_prefix(verb));
        rest.is_some_and(|rest| rest.starts_with('`') || rest.starts_with(" --"))
    })
}

#[test]
fn the_table_of_the_roles_contains_every_verb() {
    let verbs = verbs();
    assert!(verbs.len() > 25, "{verbs:?}");
    for verb in &verbs {
        let first = verb.split(' ').next().unwrap();
        assert_ne!(
            is_in_the_table(verb),
            WITHOUT_A_CLUSTER.contains(&first),
            "{verb}: add it either to the table of the roles or to the verbs without a cluster"
        );
    }
    let names: Vec<String> = WITHOUT_A_CLUSTER
        .iter()
        .map(|verb| format!("`{verb}`"))
        .collect();
    let (last, others) = names.split_last().unwrap();
    let sentence = format!(
        "The verbs {} and {last} send no request to the cluster",
        others.join(", ")
    );
    let readme = readme().replace('\n', " ");
    assert!(
        readme.contains(&sentence),
        "mappings/README.md lacks: {sentence}"
    );
}
