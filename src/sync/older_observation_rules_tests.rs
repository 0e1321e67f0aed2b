//! Tests every row of the decision tables for versions and views, in the order of ARCHITECTURE.md.

use super::*;

const SECOND_SIGHTING: Step = Step::AcceptIfItPersists(Persistence::SecondSighting);

/// The rows of the decision table for versions. The columns of the table for versions are the
/// findings `follows`, `due` and `manager`, and the expected step.
#[rustfmt::skip]
const VERSION_ROWS: &[(&[bool], &[bool], ManagerFinding, Step)] = &[
    (&[true], &[false], ManagerFinding::NotConsulted, Step::Accept),
    (&[true], &[true], ManagerFinding::NotConsulted, Step::Consult(Authority::ClusterManager)),
    (&[false], ANY, ManagerFinding::NotConsulted, Step::Consult(Authority::ClusterManager)),
    (ANY, ANY, ManagerFinding::Current, Step::Accept),
    (ANY, ANY, ManagerFinding::Older { for_a_minute: false }, Step::Fail),
    (ANY, ANY, ManagerFinding::Older { for_a_minute: true }, Step::Accept),
    (ANY, ANY, ManagerFinding::Withheld { for_a_minute: false }, Step::Fail),
    (&[true], ANY, ManagerFinding::Withheld { for_a_minute: true }, Step::Accept),
    (&[false], ANY, ManagerFinding::Withheld { for_a_minute: true }, SECOND_SIGHTING),
    (&[true], ANY, ManagerFinding::First, Step::Accept),
    (&[false], ANY, ManagerFinding::First, SECOND_SIGHTING),
    (&[true], ANY, ManagerFinding::NotPermitted, Step::Accept),
    (&[false], ANY, ManagerFinding::NotPermitted, SECOND_SIGHTING),
];

const ANY: &[bool] = &[false, true];

#[test]
fn p3_the_rules_for_versions_equal_each_row_of_the_table() {
    let mut rows = 0;
    for &(follows, due, manager, step) in VERSION_ROWS {
        for &follows in follows {
            for &due in due {
                let findings = VersionFindings {
                    follows,
                    due,
                    manager,
                };
                assert_eq!(version_step(findings), step, "{findings:?}");
                rows += 1;
            }
        }
    }
    // The number of tested cases shows that exactly one row applies to every combination of
    // findings.
    assert_eq!(rows, 8 * 4);
}

/// The rows of the decision table for a view with a possible regression, if the node has contact
/// with the cluster manager. The columns of the table for views are the findings `statistics`,
/// `documents` and `search`, and the expected step.
#[rustfmt::skip]
const VIEW_ROWS: &[(&[bool], DocumentsFinding, SearchFinding, Step)] = &[
    (ANY, DocumentsFinding::NotConsulted, SearchFinding::NotConsulted, Step::Consult(Authority::PrimaryDocuments)),
    (ANY, DocumentsFinding::Contradict, SearchFinding::NotConsulted, Step::Fail),
    (ANY, DocumentsFinding::Agree(Witness::Primary), SearchFinding::NotConsulted, Step::Accept),
    (ANY, DocumentsFinding::Agree(Witness::EveryCopyIsCurrent), SearchFinding::NotConsulted, Step::Accept),
    (&[true], DocumentsFinding::Agree(Witness::AnyCopy), SearchFinding::NotConsulted, Step::AcceptIfItPersists(Persistence::Minute)),
    (&[false], DocumentsFinding::Agree(Witness::AnyCopy), SearchFinding::NotConsulted, SECOND_SIGHTING),
    (ANY, DocumentsFinding::NotPermitted, SearchFinding::NotConsulted, Step::Consult(Authority::PrimarySearch)),
    (ANY, DocumentsFinding::NotPermitted, SearchFinding::NotPermitted, SECOND_SIGHTING),
    (ANY, DocumentsFinding::NotPermitted, SearchFinding::Contradicts, Step::Fail),
    (ANY, DocumentsFinding::NotPermitted, SearchFinding::Agrees, Step::AcceptIfItPersists(Persistence::Refresh)),
];

#[test]
fn p3_the_rules_for_views_equal_each_row_of_the_table() {
    for &(statistics, documents, search, step) in VIEW_ROWS {
        for &statistics in statistics {
            let findings = ViewFindings {
                regression: true,
                checkpoints: true,
                statistics,
                node_confirmed: false,
                documents,
                search,
            };
            assert_eq!(view_step(findings), step, "{findings:?}");
            let confirmed = ViewFindings {
                checkpoints: false,
                node_confirmed: true,
                ..findings
            };
            assert_eq!(view_step(confirmed), step, "{confirmed:?}");
            // If the poll has observed no checkpoints, the node must first prove its contact with
            // the cluster manager.
            let unconfirmed = ViewFindings {
                checkpoints: false,
                ..findings
            };
            let manager = Step::Consult(Authority::ClusterManager);
            assert_eq!(view_step(unconfirmed), manager, "{unconfirmed:?}");
            // A view without a possible regression is accepted without consulting an authority.
            let newer = ViewFindings {
                regression: false,
                ..findings
            };
            assert_eq!(view_step(newer), Step::Accept, "{newer:?}");
        }
    }
}
