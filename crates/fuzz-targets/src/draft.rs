//! Fuzz targets that parse single drafts, drafts in YAML, and files in all formats that `apply -f`
//! accepts, including osproxy's format.

use std::collections::HashSet;

use opensearch_directives::document::{Audit, Draft, encode_draft, parse_drafts};
use serde_json::{Map, Value};

use crate::{check_message, limits};

/// Parses the input as one draft in JSON, and checks the draft or the error message.
pub(crate) fn run(input: &[u8]) {
    let Ok(source) = std::str::from_utf8(input) else {
        return;
    };
    match Draft::from_json(source) {
        Ok(draft) => check(&draft),
        Err(rejection) => check_message(&rejection.to_string(), 2048),
    }
}

/// Parses the input as a file for `apply -f`, and checks its drafts or the error message.
pub(crate) fn run_file(input: &[u8]) {
    let drafts = match parse_drafts(input) {
        Ok(drafts) => drafts,
        Err(error) => {
            let text = error.to_string();
            assert!(text.lines().count() < 30, "{text:?}");
            // The error message may contain line feeds, because it has one line for each wrong
            // entry of the file.
            check_message(&text.replace('\n', ""), 64 << 10);
            return;
        }
    };
    assert!(!drafts.is_empty());
    let mut ids = HashSet::new();
    for draft in &drafts {
        assert!(ids.insert(&draft.id), "an id is repeated");
        check(draft);
    }
}

/// Parses the input as a YAML file for `apply -f`, whose documents the command converts to lines of
/// JSON.
pub(crate) fn run_yaml_file(input: &[u8]) {
    if let Ok(json) = directives::fuzzing::yaml_file(input) {
        run_file(&json);
    }
}

/// Encodes a draft as JSON for the ingest pipeline, and checks that the parser returns the same
/// draft for this JSON.
fn check(draft: &Draft) {
    if draft.check(&limits()).is_err() {
        return;
    }
    let json = encode_draft(draft, &Audit::default());
    let mut fields: Map<String, Value> =
        serde_json::from_str(json.get()).expect("a draft is an object");
    fields.remove("created_by");
    fields.insert("id".to_owned(), draft.id.clone().into());
    let again = Draft::from_json(&Value::from(fields).to_string());
    assert_eq!(again.as_ref(), Ok(draft));
}
