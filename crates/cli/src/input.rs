//! Reads drafts of directives from files, folders and standard input, in JSON or YAML.

use std::path::{Path, PathBuf};

use opensearch_directives::document::{Draft, parse_drafts};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use super::exit::Failure;

/// The maximum number of bytes that are read from a file. The maximum exceeds the parser's limit by
/// one, so that the parser detects a file that is too large.
const READ_AT_MOST: u64 = (64 << 20) + 1;

/// The fields that `get` and `list` print in addition to the fields of a draft. When `apply` reads
/// printed output, it removes these fields.
const PRINTED_ONLY: [&str; 12] = [
    "state",
    "rejected_for",
    "targets",
    "revoked",
    "created_at",
    "created_by",
    "updated_at",
    "authenticated_as",
    "revoked_at",
    "revoked_by",
    "revoked_reason",
    "updated_by",
];

/// Reads the drafts in the given files. If a path is a folder, the drafts in all its files are
/// read. Two drafts with the same id are an error.
pub(super) async fn drafts(files: &[PathBuf]) -> Result<Vec<Draft>, Failure> {
    let mut all: Vec<Draft> = Vec::new();
    let mut ids = std::collections::HashMap::new();
    for file in expand(files).await? {
        let text = read(&file).await?;
        let json = if is_yaml(&file) {
            from_yaml(&file, &text)?
        } else {
            text
        };
        let parsed =
            parse_drafts(&without_printed(json)).map_err(|error| Failure::of_file(&file, error))?;
        for draft in parsed {
            if let Some(first) = ids.insert(draft.id.clone(), file.clone()) {
                return Err(Failure::usage(format!(
                    "the id {} is both in {} and in {}",
                    draft.id,
                    first.display(),
                    file.display()
                )));
            }
            all.push(draft);
        }
    }
    Ok(all)
}

/// Replaces each folder by its files, in the order of their names.
async fn expand(files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in files {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let unreadable = |error| unreadable(path, &error);
        let mut folder = tokio::fs::read_dir(path).await.map_err(unreadable)?;
        let mut inside = Vec::new();
        while let Some(entry) = folder.next_entry().await.map_err(unreadable)? {
            let file = entry.path();
            let known = ["json", "ndjson", "yaml", "yml"];
            let extension = file.extension().and_then(std::ffi::OsStr::to_str);
            if extension.is_some_and(|extension| known.contains(&extension)) {
                inside.push(file);
            }
        }
        inside.sort();
        if inside.is_empty() {
            return Err(Failure::usage(format!(
                "{} holds no file that ends in .json, .ndjson, .yaml or .yml",
                path.display()
            )));
        }
        all.extend(inside);
    }
    Ok(all)
}

async fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut input = Vec::new();
    let read = if file.as_os_str() == "-" {
        let stdin = tokio::io::stdin().take(READ_AT_MOST);
        { stdin }.read_to_end(&mut input).await
    } else {
        match tokio::fs::File::open(file).await {
            Ok(open) => open.take(READ_AT_MOST).read_to_end(&mut input).await,
            Err(error) => Err(error),
        }
    };
    match read {
        Ok(_) => Ok(input),
        Err(error) => Err(unreadable(file, &error)),
    }
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot read {}: {error}", file.display()))
}

fn is_yaml(file: &Path) -> bool {
    let extension = file.extension().and_then(std::ffi::OsStr::to_str);
    extension.is_some_and(|extension| matches!(extension, "yaml" | "yml"))
}

/// Converts YAML to one JSON document per line, a format that the parser of drafts accepts.
pub(super) fn from_yaml(file: &Path, text: &[u8]) -> Result<Vec<u8>, Failure> {
    let text = std::str::from_utf8(text).map_err(|error| Failure::of_file(file, error))?;
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| Failure::of_file(file, error))?;
    let lines: Vec<String> = documents.iter().map(Value::to_string).collect();
    Ok(lines.join("\n").into_bytes())
}

/// Removes the fields that `get` and `list` add to a draft. Input without added fields stays
/// unchanged, so that errors refer to the right line.
fn without_printed(input: Vec<u8>) -> Vec<u8> {
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(&input)
        .into_iter()
        .collect();
    let Ok(mut values) = values else { return input };
    if let [Value::Array(all)] = &mut values[..] {
        values = std::mem::take(all);
    }
    if !values.iter().any(|value| value["state"].is_string()) {
        return input;
    }
    for value in &mut values {
        if value["state"].is_string()
            && let Value::Object(fields) = value
        {
            fields.retain(|name, _| !PRINTED_ONLY.contains(&name.as_str()));
        }
    }
    Value::Array(values).to_string().into_bytes()
}
