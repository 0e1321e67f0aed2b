//! Opens a directive as JSON in the program that `$VISUAL` or `$EDITOR` names, and reads it back.

use std::io::Write as _;
use std::process::Command;

use opensearch_directives::document::{Audit, Draft, encode_draft};

use super::exit::Failure;

/// Opens a draft in `$VISUAL` or `$EDITOR`, and reads what was saved.
pub(super) fn edit(draft: &Draft) -> Result<Draft, Failure> {
    let editor = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| {
            std::env::var(name)
                .ok()
                .filter(|editor| !editor.trim().is_empty())
        })
        .ok_or_else(|| Failure::usage("give --set or --unset, or set EDITOR"))?;
    let mut file = tempfile::Builder::new()
        .prefix("directive-")
        .suffix(".json")
        .tempfile()?;
    file.write_all(text_of(draft)?.as_bytes())?;
    file.flush()?;
    // The variable may contain arguments, as it may for git.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    let status = Command::new(program).args(words).arg(file.path()).status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return Err(Failure::usage(format!(
                "the editor {editor} ended with {status}; nothing was written"
            )));
        }
        Err(error) => {
            return Err(Failure::usage(format!(
                "cannot start the editor {editor}: {error}"
            )));
        }
    }
    let saved = std::fs::read_to_string(file.path())?;
    match Draft::from_json(&saved) {
        Ok(edited) if edited.id == draft.id => Ok(edited),
        Ok(_) => Err(Failure::usage(
            "the id cannot be edited; nothing was written",
        )),
        Err(rejection) => Err(Failure::usage(format!("{rejection}; nothing was written"))),
    }
}

/// The draft as indented JSON, with its id and without what the command adds by itself.
fn text_of(draft: &Draft) -> Result<String, Failure> {
    let source = encode_draft(draft, &Audit::default());
    let mut value: serde_json::Value =
        serde_json::from_str(source.get()).map_err(Failure::other)?;
    if let Some(fields) = value.as_object_mut() {
        for added in ["created_by", "updated_by", "targets", "revoked"] {
            fields.remove(added);
        }
        fields.insert("id".to_owned(), draft.id.as_str().into());
    }
    Ok(format!("{value:#}\n"))
}
