//! Compares the output of commands with golden files, after the parts that differ between two runs
//! have been replaced.

use std::fmt::Write as _;
use std::path::Path;

use regex::Regex;

use super::command::Ran;

/// Replaces each part of the output that differs between two runs with a placeholder.
pub(crate) struct Redaction(Vec<(Regex, &'static str)>);

impl Redaction {
    pub(crate) fn new(url: &str, index: &str, folder: &Path) -> Self {
        let literal = |text: &str| regex::escape(text);
        let rules = [
            (literal(url), "URL"),
            (literal(index), "INDEX"),
            (literal(&folder.display().to_string()), "FOLDER"),
            (
                r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z".to_owned(),
                "TIME",
            ),
            (r"\b\d\d:\d\d:\d\dZ".to_owned(), "TIME"),
            (
                r"\b\d+(\.\d+)?(d|h|m|s|ms)( \d+(h|m|s))?( ago)\b".to_owned(),
                "DURATION ago",
            ),
            (
                r"\b(in|for|after|by|\() ?\d+(\.\d+)?(d|h|m|s|ms)( \d+(h|m|s))?\b".to_owned(),
                "$1 DURATION",
            ),
            (r"\b\d+\.\d+\.\d+ \([^)]*\)".to_owned(), "VERSION (CLUSTER)"),
            (r"\b\d{4,5} bytes".to_owned(), "N bytes"),
            (r"\(\d+(d|h|m|s)( \d+(h|m|s))?\)".to_owned(), "(DURATION)"),
            // The pattern for a uuid excludes text before a colon, because such text is the name of
            // a JSON field.
            (r#""[A-Za-z0-9_-]{22}"(,|\n)"#.to_owned(), "\"UUID\"$1"),
            // In a line of CSV, a whole number follows the last uuid, and a uuid may begin with a
            // digit.
            (r",[A-Za-z0-9_-]{22}(,\d+,)".to_owned(), ",UUID$1"),
            (
                r#""(silent_seconds|seconds)": \d+(\.\d+)?"#.to_owned(),
                "\"$1\": N",
            ),
            // The numbers of indices on the whole node differ between two runs, because other tests
            // create indices.
            (
                r"directives are in [^(]*\(".to_owned(),
                "directives are in INDICES (",
            ),
            // This rule shortens runs of spaces to two spaces, because the widths of columns depend
            // on texts that placeholders replace.
            (r"(\S) {3,}".to_owned(), "$1  "),
        ];
        let rules = rules.map(|(pattern, text)| (Regex::new(&pattern).unwrap(), text));
        Self(rules.into())
    }

    pub(crate) fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, placeholder) in &self.0 {
            text = pattern.replace_all(&text, *placeholder).into_owned();
        }
        text
    }
}

/// Formats a command line, its redacted output and its exit code as in a golden file.
pub(crate) fn session(line: &str, ran: &Ran, redact: impl Fn(&str) -> String) -> String {
    let mut text = format!("$ directives {line}\n{}", redact(&ran.stdout));
    for error in redact(&ran.stderr).lines() {
        let _ = writeln!(text, "! {error}");
    }
    let _ = writeln!(text, "exit code {}\n", ran.code);
    text
}

/// Returns the output `found` if it differs from the golden file `name`. Writes the output to the
/// golden file if `UPDATE_GOLDEN=1` is set.
pub(crate) fn difference(name: &str, found: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let file = folder.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&file, found).unwrap();
        return String::new();
    }
    match std::fs::read_to_string(&file) {
        Ok(expected) if expected == found => String::new(),
        _ => format!("{}:\n{found}\n", file.display()),
    }
}

/// Fails the test if `differences` is not empty, because an output differs from its golden file.
#[track_caller]
pub(crate) fn check(differences: &str) {
    assert!(
        differences.is_empty(),
        "the output differs; run with UPDATE_GOLDEN=1 and review the difference\n{differences}"
    );
}
