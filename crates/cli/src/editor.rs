//! Opens a directive as JSON in the user's editor, and reads the edited directive when the editor
//! has ended.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use opensearch_directives::document::{Audit, Draft, encode_draft};

use super::bounded_file;
use super::exit::{Exit, Failure};
use super::output::note;

/// The file in which the user edits a directive. The command keeps the file if it did not write the
/// content to the index, so that the user does not lose the changes.
#[derive(Debug)]
pub(super) struct EditedFile {
    file: tempfile::NamedTempFile,
    /// The content that the command wrote to the file for the editor.
    original: String,
}

impl EditedFile {
    /// Opens a draft in the editor that `$VISUAL` or `$EDITOR` names, and waits until the editor
    /// ends.
    pub(super) fn open(draft: &Draft) -> Result<Self, Failure> {
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
        let original = text_of(draft)?;
        file.write_all(original.as_bytes())?;
        file.flush()?;
        let edited = Self { file, original };
        let problem = match command(&editor, edited.file.path()).status() {
            Ok(status) if status.success() => return Ok(edited),
            Ok(status) => format!("the editor {editor} ended with {status}"),
            Err(error) => format!("cannot start the editor {editor}: {error}"),
        };
        let failure = Failure::usage(format!("{problem}; nothing was written"));
        Err(if edited.is_changed() {
            edited.keep(failure)
        } else {
            failure
        })
    }

    /// Reads the draft that the user has saved in the editor.
    pub(super) fn read(&self, id: &str) -> Result<Draft, Failure> {
        let saved = bounded_file::read_text(self.file.path())?;
        if saved.trim().is_empty() {
            return Err(Failure::usage(
                "the saved file is empty; nothing was written",
            ));
        }
        match Draft::from_json(&saved) {
            Ok(edited) if edited.id == id => Ok(edited),
            Ok(_) => Err(Failure::usage(
                "the id cannot be edited; nothing was written",
            )),
            Err(rejection) => Err(Failure::usage(format!("{rejection}; nothing was written"))),
        }
    }

    /// Keeps the file and reports its path, because the index does not contain the content of the
    /// file. After a dry run that succeeded, a file without a change is deleted.
    pub(super) fn keep_unwritten(self, result: Result<Exit, Failure>) -> Result<Exit, Failure> {
        match result {
            Ok(Exit::Success) if !self.is_changed() => Ok(Exit::Success),
            Ok(exit) => {
                if let Some(text) = self.kept() {
                    note(&text);
                }
                Ok(exit)
            }
            Err(failure) => Err(self.keep(failure)),
        }
    }

    /// Returns true if the user has changed the file in the editor.
    fn is_changed(&self) -> bool {
        bounded_file::read_text(self.file.path()).is_ok_and(|saved| saved != self.original)
    }

    /// Keeps the edited file, and adds its path to the error message.
    fn keep(self, failure: Failure) -> Failure {
        match self.kept() {
            Some(note) => failure.with_note(&note),
            None => failure,
        }
    }

    /// Keeps the edited file, and returns a note that contains its path. An empty file is deleted,
    /// and the function then returns `None`.
    fn kept(self) -> Option<String> {
        let is_empty =
            bounded_file::read_text(self.file.path()).is_ok_and(|text| text.trim().is_empty());
        if is_empty {
            return None;
        }
        let (_, path) = self.file.keep().ok()?;
        Some(format!("your changes are in {}", path.display()))
    }
}

/// Builds the shell command that opens the file in the editor. The shell splits `$EDITOR` into
/// words, because it may contain arguments and quotes, such as `code --wait`.
fn command(editor: &str, file: &Path) -> Command {
    let mut command;
    if cfg!(windows) {
        let mut words = editor.split_whitespace();
        command = Command::new(words.next().unwrap_or_default());
        command.args(words);
    } else {
        command = Command::new("sh");
        command.args(["-c", &format!("{editor} \"$1\""), "sh"]);
    }
    command.arg(file);
    command
}

/// Converts a draft to indented JSON for the editor. The JSON contains the directive's id, but no
/// field that the command sets itself.
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
