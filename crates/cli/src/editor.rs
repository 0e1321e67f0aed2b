//! Opens a directive as JSON in the user's editor, and reads the edited directive from the file.

use std::io::Write as _;
use std::process::Command;

use opensearch_directives::document::{Audit, Draft, encode_draft};

use super::bounded_file;
use super::exit::Failure;

/// Opens a draft in the program that `$VISUAL` or `$EDITOR` names, and returns the saved draft.
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
    // `$VISUAL` or `$EDITOR` may contain a program with arguments, such as `code --wait`.
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
    let saved = bounded_file::read_text(file.path())?;
    match Draft::from_json(&saved) {
        Ok(edited) if edited.id == draft.id => Ok(edited),
        Ok(_) => Err(Failure::usage(
            "the id cannot be edited; nothing was written",
        )),
        Err(rejection) => Err(Failure::usage(format!("{rejection}; nothing was written"))),
    }
}

/// Converts the draft to indented JSON with its id, without the fields that the command itself
/// sets.
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
