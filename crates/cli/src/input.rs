//! Reads drafts of directives from files, folders and standard input, in JSON or YAML.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use opensearch_directives::document::{Draft, parse_drafts};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use super::directive_text::printable;
use super::exit::Failure;
use super::output::note;

/// The maximum size in bytes of a file. The parser of drafts has the same limit, but the command
/// checks the size itself, because the JSON that it makes of a file may be smaller than the file.
const MAX_BYTES: u64 = 64 << 20;

/// The fields that `get` and `list` print although a draft does not have them. `apply` removes the
/// fields that only `get` and `list` print, so that it accepts their output as input.
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

/// What the command does with entries of a file that `get` or `list` printed as expired or revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    Keep,
    /// The command skips entries that have ended, because a directive that has ended applies to no
    /// request.
    Skip,
}

/// The content of files with directives.
#[derive(Default, Debug)]
pub(super) struct Input {
    pub(super) drafts: Vec<Draft>,
    /// The ids of the entries that the command skips, because `get` or `list` printed them as
    /// expired or revoked.
    pub(super) skipped: Vec<String>,
}

/// Reads the directives in the given files. A folder stands for its files that end in .json,
/// .ndjson, .yaml or .yml. It is an error if two drafts have the same id.
pub(super) async fn read(files: &[PathBuf], ended: Ended) -> Result<Input, Failure> {
    let mut all = Input::default();
    let mut ids = HashMap::new();
    for file in expand(files).await? {
        let Input { drafts, skipped } = read_file(&file, ended).await?;
        all.skipped.extend(skipped);
        for draft in drafts {
            if let Some(first) = ids.insert(draft.id.clone(), file.clone()) {
                return Err(Failure::usage(format!(
                    "the id {} is both in {} and in {}",
                    printable(&draft.id),
                    first.display(),
                    file.display()
                )));
            }
            all.drafts.push(draft);
        }
    }
    Ok(all)
}

/// Reads the directives in one file.
pub(super) async fn read_file(file: &Path, ended: Ended) -> Result<Input, Failure> {
    let text = read_bytes(file).await?;
    let json = if is_yaml(file) {
        from_yaml(file, &text)?
    } else {
        text
    };
    let (json, skipped) = without_printed(json, ended);
    if !skipped.is_empty() {
        note(&format!(
            "note: {}: {} expired or revoked, and skipped",
            file.display(),
            if skipped.len() == 1 {
                "1 directive is".to_owned()
            } else {
                format!("{} directives are", skipped.len())
            }
        ));
        if json == b"[]" {
            let drafts = Vec::new();
            return Ok(Input { drafts, skipped });
        }
    }
    let drafts = parse_drafts(&json).map_err(|error| {
        if is_yaml(file) {
            // The function removes the line numbers from the error, because they refer to JSON that
            // the author of the YAML file has never seen.
            Failure::of_file(file, without_lines(&error.to_string()))
        } else {
            Failure::of_file(file, error)
        }
    })?;
    Ok(Input { drafts, skipped })
}

/// Removes the line number from each description of an invalid entry.
fn without_lines(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix("  line ") {
        Some(rest) => format!("  {}", rest.split_once(", ").unwrap_or(("", rest)).1),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Replaces each folder in the list by its JSON and YAML files, in the order of their names.
pub(super) async fn expand(files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
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

async fn read_bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut input = Vec::new();
    let read = if file.as_os_str() == "-" {
        let stdin = tokio::io::stdin().take(MAX_BYTES + 1);
        { stdin }.read_to_end(&mut input).await
    } else {
        match tokio::fs::File::open(file).await {
            Ok(open) => open.take(MAX_BYTES + 1).read_to_end(&mut input).await,
            Err(error) => Err(error),
        }
    };
    match read {
        Ok(_) if input.len() as u64 > MAX_BYTES => {
            let problem = format!("the input has more than {MAX_BYTES} bytes; split it");
            Err(Failure::of_file(file, problem))
        }
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

/// Converts YAML to JSON, one document per line, because the parser of drafts accepts this format.
pub(super) fn from_yaml(file: &Path, text: &[u8]) -> Result<Vec<u8>, Failure> {
    let text = std::str::from_utf8(text).map_err(|error| Failure::of_file(file, error))?;
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, yaml_options(text))
        .map_err(|error| Failure::of_file(file, yaml_error(&error)))?;
    let lines: Vec<String> = documents.iter().map(Value::to_string).collect();
    Ok(lines.join("\n").into_bytes())
}

/// Returns limits for the YAML parser that depend on the size of the file. A file without aliases
/// never exceeds the limits, because it has at most as many YAML nodes as bytes. The limits refuse
/// a small file with aliases that expand to a huge document.
fn yaml_options(text: &str) -> serde_saphyr::Options {
    const AT_LEAST: usize = 250_000;
    let limit = text.len().max(AT_LEAST);
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: limit,
            max_nodes: limit,
            max_events: limit.saturating_mul(2),
        },
    }
}

/// Returns the first line of a YAML parser's error, without the advice for programmers. The other
/// lines of the error only quote the content of the file.
fn yaml_error(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let line = line
        .split(", set DuplicateKeyPolicy")
        .next()
        .unwrap_or(line);
    match line.split_once("budget breached") {
        Some((place, _)) => format!("{place}the aliases expand to too many values"),
        None => line.to_owned(),
    }
}

/// Removes the fields that `get` and `list` add to a draft. If `ended` is [`Ended::Skip`], also
/// removes the entries that `get` and `list` printed as expired or revoked. Also returns the ids of
/// the removed entries. Input that does not come from `get` or `list` stays unchanged, so that the
/// parser's errors refer to the right line.
fn without_printed(input: Vec<u8>, ended: Ended) -> (Vec<u8>, Vec<String>) {
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(&input)
        .into_iter()
        .collect();
    let Ok(mut values) = values else {
        return (input, Vec::new());
    };
    if let [Value::Array(all)] = &mut values[..] {
        values = std::mem::take(all);
    }
    if !values.iter().any(|value| value["state"].is_string()) {
        return (input, Vec::new());
    }
    let mut skipped = Vec::new();
    if ended == Ended::Skip {
        values.retain(|value| {
            let has_ended = matches!(value["state"].as_str(), Some("expired" | "revoked"));
            if has_ended {
                skipped.push(value["id"].as_str().unwrap_or_default().to_owned());
            }
            !has_ended
        });
    }
    for value in &mut values {
        if value["state"].is_string()
            && let Value::Object(fields) = value
        {
            fields.retain(|name, _| !PRINTED_ONLY.contains(&name.as_str()));
        }
    }
    (Value::Array(values).to_string().into_bytes(), skipped)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn yaml(text: &str) -> Result<Vec<u8>, Failure> {
        from_yaml(Path::new("a.yaml"), text.as_bytes())
    }

    #[test]
    fn a_file_may_have_as_many_documents_as_list_prints() {
        let document = |n: usize| format!("---\nid: d{n}\nlevel: Shape\ntenant: t{n}\n");
        let text: String = (0..20_000).map(document).collect();
        let json = yaml(&text).unwrap();
        assert_eq!(parse_drafts(&json).unwrap().len(), 20_000);
    }

    #[test]
    fn an_error_of_yaml_is_one_line_for_operators() {
        let nine = |name: char| vec![format!("*{name}"); 9].join(",");
        let bomb: Vec<String> = ('b'..='j')
            .zip('a'..)
            .map(|(name, below)| format!("{name}: &{name} [{}]", nine(below)))
            .collect();
        for (text, expected) in [
            (
                "id: a\ntenant: acme\ntenant: other\n".to_owned(),
                "a.yaml: line 3 column 1: duplicate mapping key: tenant",
            ),
            (
                "id: a\n\tlevel: x\n".to_owned(),
                "a.yaml: line 1 column 5: while scanning a plain scalar, found a tab",
            ),
            (
                format!("a: &a [x,x]\n{}", bomb.join("\n")),
                "the aliases expand to too many values",
            ),
        ] {
            let error = yaml(&text).unwrap_err().text();
            assert!(error.ends_with(expected), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
