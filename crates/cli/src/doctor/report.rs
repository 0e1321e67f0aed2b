//! The report of `directives doctor`: one line of text or one JSON object for each check, with a
//! remedy for each problem.

use anstyle::{AnsiColor, Style};
use opensearch_directives::admin::{Change, InstallError, InstallStep, WriteError};
use serde_json::{Value, json};

use super::INSTALLER;
use crate::directive_text::printable;
use crate::error_text;
use crate::exit::Failure;
use crate::output::{print, print_json};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Health {
    Ok,
    Warning,
    Failure,
}

impl Health {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// The result of one check of `directives doctor`.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) health: Health,
    pub(super) text: String,
    /// The command or the action that solves the problem; `None` if the check found no problem.
    pub(super) fix: Option<String>,
}

/// The results of all checks that `doctor` has finished so far.
#[derive(Debug, Default)]
pub(super) struct Checks(Vec<Check>);

impl Checks {
    pub(super) fn ok(&mut self, name: &'static str, text: impl Into<String>) {
        self.add(name, Health::Ok, text, None);
    }

    pub(super) fn warning(
        &mut self,
        name: &'static str,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(name, Health::Warning, text, Some(fix.into()));
    }

    pub(super) fn failure(
        &mut self,
        name: &'static str,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(name, Health::Failure, text, Some(fix.into()));
    }

    /// Records that `doctor` could not perform a check. If the user's role does not permit a
    /// request of the check, the result is a warning. If a request of the check fails for any other
    /// reason, the result is a failure.
    pub(super) fn not_checked(&mut self, name: &'static str, error: &WriteError, fix: &str) {
        if error.is_refused() {
            self.warning(
                name,
                format!("not checked: {}", error_text::text(error)),
                fix,
            );
        } else {
            self.failure(name, error_text::text(error), "check the connection");
        }
    }

    /// Records that `doctor` could not check one of the resources that `directives init` installs.
    pub(super) fn installation_not_checked(&mut self, name: &'static str, error: &InstallError) {
        let text = error_text::text(error);
        if error.is_refused() {
            self.warning(name, format!("not checked: {text}"), INSTALLER);
        } else {
            self.failure(name, text, "see the message");
        }
    }

    /// Records whether a resource that `init` installs equals the resource of this version. `init`
    /// is the command that creates or updates the resource.
    pub(super) fn installed(&mut self, name: &'static str, step: &InstallStep, init: &str) {
        let (what, path) = (&step.what, &step.path);
        match step.change {
            Change::Keep => self.ok(name, format!("the {what} is up to date")),
            Change::Create => self.failure(name, format!("the {what} is missing ({path})"), init),
            _ => {
                let text = format!("the {what} differs from this version's ({path})");
                self.warning(name, text, init);
            }
        }
    }

    fn add(
        &mut self,
        name: &'static str,
        health: Health,
        text: impl Into<String>,
        fix: Option<String>,
    ) {
        self.0.push(Check {
            name,
            health,
            // Control characters and invisible characters are replaced, because the text may
            // contain names and errors from untrusted sources.
            text: printable(&text.into()),
            fix: fix.map(|fix| printable(&fix)),
        });
    }

    /// Returns the remedies of all warnings.
    #[cfg(test)]
    pub(super) fn warnings(&self) -> Vec<&str> {
        let warnings = self.0.iter();
        let warnings = warnings.filter(|check| check.health == Health::Warning);
        warnings.filter_map(|check| check.fix.as_deref()).collect()
    }

    pub(super) fn have_failed(&self) -> bool {
        self.0.iter().any(|check| check.health == Health::Failure)
    }

    pub(super) fn print(&self, as_json: bool) -> Result<(), Failure> {
        if as_json {
            let checks: Vec<Value> = self.0.iter().map(to_json).collect();
            return print_json(&json!({ "checks": checks }));
        }
        for check in &self.0 {
            print(&line(check))?;
        }
        Ok(())
    }
}

fn to_json(check: &Check) -> Value {
    json!({
        "check": check.name,
        "health": check.health.as_str(),
        "text": check.text,
        "fix": check.fix,
    })
}

fn line(check: &Check) -> String {
    let color = match check.health {
        Health::Ok => AnsiColor::Green,
        Health::Warning => AnsiColor::Yellow,
        Health::Failure => AnsiColor::Red,
    };
    let style = Style::new().fg_color(Some(color.into()));
    let health = check.health.as_str();
    let line = format!("{style}{health:8}{style:#}{}: {}", check.name, check.text);
    match &check.fix {
        Some(fix) => format!("{line}; remedy: {fix}"),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_another_author_controls_the_terminal() {
        let mut checks = Checks::default();
        checks.warning("user", "\u{1b}[2Jann", "ask \u{202e}bob");
        let check = &checks.0[0];
        for shown in [line(check), to_json(check).to_string()] {
            assert!(!shown.contains("\u{1b}[2J"), "{shown:?}");
            assert!(!shown.contains('\u{202e}'), "{shown:?}");
        }
    }
}
