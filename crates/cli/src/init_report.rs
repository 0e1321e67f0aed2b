//! The report of `directives init`, as text or as JSON: what the command installed, or what it
//! would install without `--dry-run`.

use opensearch_directives::admin::InstallStep;
use serde_json::{Value, json};

use super::exit::Failure;
use super::output::{print, print_json};
use super::report_wording::count;

/// The report of an installation, or of a dry run of the installation.
#[derive(Debug)]
pub(super) struct InitReport {
    location: String,
    pub(super) dry_run: bool,
    pub(super) steps: Vec<InstallStep>,
    /// The number of documents that the installation converted to the stored form.
    pub(super) converted: Option<u64>,
    pub(super) warnings: Vec<String>,
    pub(super) dashboards: Option<Dashboards>,
}

/// The part of the report that describes how the dashboards were imported.
#[derive(Debug)]
pub(super) struct Dashboards {
    /// The tenant, the workspace and the address of the dashboards, as a part of a sentence in the
    /// report.
    pub(super) place: String,
    /// In a dry run, the request that the command would send; after an import, what the user can do
    /// next.
    pub(super) action: String,
    /// The number of imported objects; `None` in a dry run.
    pub(super) objects: Option<u64>,
}

impl InitReport {
    pub(super) fn new(location: String) -> Self {
        Self {
            location,
            dry_run: false,
            steps: Vec::new(),
            converted: None,
            warnings: Vec::new(),
            dashboards: None,
        }
    }

    pub(super) fn print(&self, as_json: bool) -> Result<(), Failure> {
        if as_json {
            return print_json(&self.json());
        }
        for step in &self.steps {
            print(&if self.dry_run {
                request(step)
            } else {
                format!("{:6} {:15} {}", step.change, step.what, step.path)
            })?;
        }
        if let Some(documents) = self.converted {
            let documents = count(documents, "document");
            print(&format!("convert {documents} to the stored form"))?;
        }
        for warning in &self.warnings {
            print(warning)?;
        }
        if let Some(Dashboards {
            place,
            action,
            objects,
        }) = &self.dashboards
        {
            let what = objects.map(|objects| format!(" {}", count(objects, "saved object")));
            print(&format!(
                "import{} into{place}\n{action}",
                what.unwrap_or_default()
            ))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                let mut value = json!({
                    "change": step.change.to_string(),
                    "what": step.what,
                    "path": step.path,
                });
                if self.dry_run {
                    value["method"] = step.method.into();
                    value["body"] = step.body.clone();
                }
                value
            })
            .collect();
        let mut report = json!({
            "in": self.location,
            "dry_run": self.dry_run,
            "steps": steps,
            "warnings": self.warnings,
        });
        if let Some(converted) = self.converted {
            report["converted"] = converted.into();
        }
        if let Some(dashboards) = &self.dashboards {
            report["dashboards"] = json!({
                "objects": dashboards.objects,
                "action": dashboards.action,
            });
        }
        report
    }
}

/// Formats a request that the command would send without `--dry-run`.
fn request(step: &InstallStep) -> String {
    let body = match &step.body {
        Value::Null => String::new(),
        body => format!("{body:#}\n"),
    };
    format!(
        "{} the {}\n{} {}\n{body}",
        step.change, step.what, step.method, step.path
    )
}
