//! Simulates an incident in which operators and a CI job change the same directives at the same
//! time. The test fails if an update is lost, if a directive is widened without consent, or if a
//! revoked directive applies again.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::command::{Ran, run, run_with, words};
use crate::support::eventually::blocking_until;
use crate::support::instant;
use crate::support::node::{installed_index, shared_url};

/// Returns the number of directives that one command revokes, which the variable
/// `INCIDENT_DIRECTIVES` can set. The test takes a minute or more with 20000 directives.
fn many() -> usize {
    let number = std::env::var("INCIDENT_DIRECTIVES").ok();
    number.map_or(2_000, |number| number.parse().unwrap())
}

/// The cluster and the index that the commands of all operators use.
struct Incident {
    url: String,
    index: String,
}

impl Incident {
    fn run(&self, line: &str) -> Ran {
        run(&self.url, &self.index, &words(line))
    }

    fn directive(&self, id: &str) -> Value {
        let ran = self.run(&format!("get {id} -o json"));
        ran.ok().json()
    }

    /// Runs `apply` with the same file, as a CI job does, until the test sets `stop`. Counts in
    /// `runs` how often `apply` succeeds, how often it is refused for lack of a consent, and how
    /// often it conflicts with another write.
    fn ci_loop(&self, file: &Path, stop: &AtomicBool, runs: &[AtomicUsize; 3]) {
        while !stop.load(Ordering::Relaxed) {
            let file = file.to_str().unwrap();
            let ran = self.run(&format!("apply -f {file} --author ci --yes"));
            let count = match ran.code {
                0 => 0,
                2 => 1,
                6 => 2,
                code => panic!("{code}: {}{}", ran.stdout, ran.stderr),
            };
            runs[count].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets six operators change the directive `slow` at the same time, each of whom tries again
    /// after a conflict. Returns the number of operators whose write succeeded.
    fn six_operators(&self) -> usize {
        let edit = |n: usize| {
            let line = match n % 2 {
                0 => format!("extend slow --by {}m --author op{n}", n + 1),
                _ => format!("edit slow --set reason=seen-by-{n} --author op{n}"),
            };
            let mut written = 0;
            for _ in 0..100 {
                let ran = self.run(&line);
                match ran.code {
                    0 => {
                        written += 1;
                        break;
                    }
                    6 => assert!(ran.stdout.contains("conflict slow "), "{}", ran.stdout),
                    code => panic!("{line}: {code} {}{}", ran.stdout, ran.stderr),
                }
            }
            written
        };
        std::thread::scope(|scope| {
            let operators = [0, 1, 2, 3, 4, 5].map(|n| scope.spawn(move || edit(n)));
            operators.map(|one| one.join().unwrap()).into_iter().sum()
        })
    }
}

#[tokio::test]
async fn an_incident_with_six_operators_and_a_ci_loop_loses_widens_and_revives_nothing() {
    let url = shared_url();
    let index = installed_index(&url, "incident").await;
    let incident = Incident { url, index };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directives.json");
    // The file of the CI job contains two directives. The operators change the first directive of
    // the CI job, and a revocation of many directives ends the second one.
    let desired = json!([
        {"id": "slow", "level": "Shape", "tenant": "acme", "ticket": "INC-1", "ttl_secs": 7200},
        {"id": "d00001", "level": "Shape", "tenant": "t00001", "ttl_secs": 7200},
    ]);
    std::fs::write(&file, desired.to_string()).unwrap();
    incident
        .run(&format!("apply -f {} --author ci", file.display()))
        .ok();
    let lines: Vec<String> = (0..many())
        .map(|n| {
            format!(r#"{{"id":"d{n:05}","level":"Shape","tenant":"t{n:05}","ttl_secs":7200}}"#)
        })
        .collect();
    run_with(
        &incident.url,
        &incident.index,
        &["apply", "-f", "-"],
        &lines.join("\n"),
    )
    .ok();

    let stop = AtomicBool::new(false);
    let runs = [const { AtomicUsize::new(0) }; 3];
    std::thread::scope(|scope| {
        let ci = scope.spawn(|| incident.ci_loop(&file, &stop, &runs));
        blocking_until("the CI job applies its file", || {
            runs[0].load(Ordering::Relaxed) > 0 || ci.is_finished()
        });
        // An operator takes over a directive of the CI job by setting its owner. Each further run
        // of the CI job would remove this owner, because its file states none. The command must
        // therefore refuse each further run of the CI job.
        incident.run("edit slow --set owner=sre").ok();
        let before = incident.directive("slow");
        // The writes of all six operators must succeed in the end, because each operator tries
        // again after a conflict.
        assert_eq!(incident.six_operators(), 6);
        let after = incident.directive("slow");
        for field in [
            "tenant",
            "level",
            "ticket",
            "owner",
            "sample_per_mille",
            "created_by",
            "targets",
        ] {
            assert_eq!(after[field], before[field], "{field}");
        }
        assert!(
            after["reason"].as_str().unwrap().starts_with("seen-by-"),
            "{after}"
        );
        // The directive must end nine minutes later than before, because three operators have
        // extended it by 1, 3 and 5 minutes.
        let end = |directive: &Value| instant(&directive["expires_at"]);
        assert_eq!(end(&after).duration_since(end(&before)).as_mins(), 9);
        // A wrong id among the ids of a revocation must not prevent the revocation of the
        // directives with the right ids.
        let typo = incident.run("revoke d00001 d0002 d00003 --reason INC-1");
        assert_eq!(typo.code, 3);
        for line in ["revoked d00001 ", "not found d0002 ", "revoked d00003 "] {
            assert!(typo.stdout.contains(line), "{line}: {}", typo.stdout);
        }
        let report = incident
            .run("revoke --all --yes --reason INC-1 -o json")
            .ok()
            .json();
        assert_eq!(
            report["summary"]["revoked"],
            json!(many() - 2 + 1),
            "{}",
            report["summary"]
        );
        let refused = runs[1].load(Ordering::Relaxed);
        // The test waits until the command has refused the CI job twice more after the revocation
        // of all directives.
        blocking_until("the CI job is refused twice", || {
            runs[1].load(Ordering::Relaxed) >= refused + 2 || ci.is_finished()
        });
        stop.store(true, Ordering::Relaxed);
        ci.join().unwrap();
    });
    // No revoked directive may apply again, because the CI job gives no consent to reactivate a
    // directive.
    let listed = incident.run("list -o json").ok().json();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), many() + 1);
    let alive: Vec<&Value> = listed
        .iter()
        .filter(|one| one["state"] != "revoked")
        .collect();
    assert_eq!(alive, Vec::<&Value>::new());
    println!("runs of the CI job by result (done, refused, conflict): {runs:?}");
}
