//! Tests `edit` without flags, which opens the directive in the user's editor.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::command::{Ran, directives, run, words};
use crate::support::node::{installed_index, shared_url, unique_index};

/// A folder for a shell script that the command starts as the user's editor. In the editor's
/// script, `$1` is the first argument that the command passes to the editor.
struct Editor {
    folder: tempfile::TempDir,
}

impl Editor {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Writes the editor's shell script to a file whose path contains a space, and returns this
    /// path.
    fn script(&self, content: &str) -> PathBuf {
        let file = self.folder.path().join("my editor");
        std::fs::write(&file, format!("#!/bin/sh\n{content}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    /// Runs `edit one` with the shell script `content` as the editor. The command writes its
    /// temporary files to the folder of the script.
    fn edit(&self, url: &str, index: &str, content: &str, args: &[&str]) -> Ran {
        let editor = format!("'{}' --wait", self.script(content).display());
        let output = directives()
            .args(["edit", "one"])
            .args(args)
            .env("DIRECTIVES_URL", url)
            .env("DIRECTIVES_INDEX", index)
            .env("DIRECTIVES_REQUEST_TIMEOUT", "60s")
            .env("TMPDIR", self.folder.path())
            .env_remove("VISUAL")
            .env("EDITOR", editor)
            .output();
        output.unwrap().into()
    }

    /// Returns the paths of the edited files that the command did not delete, so that the user does
    /// not lose changes.
    fn kept(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some()).collect()
    }
}

fn content(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn the_saved_file_is_written_and_changes_that_were_not_written_are_kept() {
    let url = shared_url();
    let index = installed_index(&url, "editor").await;
    let go = |line: &str| run(&url, &index, &words(line));
    go("apply one --level Shape --tenant acme --sample 10% --ticket INC-1 --ttl 1h").ok();
    let before = go("get one -o json").ok().json();
    let editor = Editor::new();
    let edit = |script: &str| editor.edit(&url, &index, script, &[]);

    // The command passes the arguments in `$EDITOR` to the editor before the path of the file. A
    // path with a space in `$EDITOR` needs quotes, as in a shell.
    let same = edit(r#"[ "$1" = --wait ] && [ -s "$2" ]"#).ok().stdout;
    assert!(same.starts_with("unchanged one "), "{same}");
    for (script, expected) in [
        ("exit 3", "ended with exit status: 3; nothing was written"),
        (": > \"$2\"", "the saved file is empty; nothing was written"),
    ] {
        let ran = edit(script);
        assert_eq!(ran.code, 2, "{script}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{script}: {}", ran.stderr);
        assert_eq!(editor.kept(), Vec::<PathBuf>::new(), "{script}");
    }
    for (script, expected, code) in [
        (r#"sed -i s/acme/globex/ "$2"; exit 3"#, "exit status: 3", 2),
        (
            r#"sed -i 's/"level": "Shape"/"level": "Loud"/' "$2""#,
            "is not a level",
            2,
        ),
        (
            r#"sed -i 's/"id": "one"/"id": "two"/' "$2""#,
            "the id cannot be edited",
            2,
        ),
        (r#"sed -i 's/: 100/: 900/' "$2""#, "add --replace", 2),
        // The script changes the directive with a second `edit` while the first `edit` waits for
        // the editor.
        (
            r#"sed -i 's/INC-1/INC-2/' "$2"; EDITOR= "$BINARY" edit one --set reason=other"#,
            "your changes are in",
            6,
        ),
    ] {
        let script = format!("BINARY='{}'; {script}", crate::support::command::BINARY);
        let ran = edit(&script);
        assert_eq!(ran.code, code, "{script}: {}{}", ran.stdout, ran.stderr);
        let printed = format!("{}{}", ran.stdout, ran.stderr);
        assert!(printed.contains(expected), "{script}: {printed}");
        let kept = editor.kept();
        let [file] = &kept[..] else {
            panic!("{script}: {kept:?}")
        };
        let path = file.display().to_string();
        assert!(printed.contains(&path), "{script}: {printed}");
        assert!(!content(file).is_empty(), "{script}");
        std::fs::remove_file(file).unwrap();
        if code == 2 {
            assert_eq!(go("get one -o json").ok().json(), before, "{script}");
        }
    }
    let written = edit(r#"sed -i 's/: 100/: 50/' "$2""#).ok().stdout;
    assert!(written.contains("sample 100 ‰ → 50 ‰"), "{written}");
    assert_eq!(editor.kept(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn without_an_editor_the_flags_are_named() {
    let url = shared_url();
    let index = installed_index(&url, "noeditor").await;
    run(
        &url,
        &index,
        &words("apply one --level Shape --tenant acme"),
    )
    .ok();
    for (editor, expected) in [
        ("", "give --set or --unset, or set EDITOR"),
        ("/nonexistent/editor", "ended with exit status: 127"),
    ] {
        let output = directives()
            .args(["edit", "one"])
            .env("DIRECTIVES_URL", &url)
            .env("DIRECTIVES_INDEX", &index)
            .env_remove("VISUAL")
            .env("EDITOR", editor)
            .output();
        let ran: Ran = output.unwrap().into();
        assert_eq!(ran.code, 2, "{editor}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{editor}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn the_file_is_kept_after_a_dry_run_and_deleted_after_a_write_that_did_not_converge() {
    let url = shared_url();
    let index = unique_index("editwait");
    run(&url, &index, &["init", "--fleet"]).ok();
    let apply = words("apply one --level Shape --tenant acme --sample 10% --ttl 1h");
    run(&url, &index, &apply).ok();
    let editor = Editor::new();
    let narrow = r#"sed -i 's/: 100/: 50/' "$2""#;

    let dry = editor.edit(&url, &index, narrow, &["--dry-run"]).ok();
    let kept = editor.kept();
    let [file] = &kept[..] else {
        panic!("{kept:?}: {}", dry.stderr)
    };
    assert!(content(file).contains(": 50"), "{}", content(file));
    let says = format!("your changes are in {}", file.display());
    assert!(dry.stderr.contains(&says), "{}", dry.stderr);
    std::fs::remove_file(file).unwrap();
    // If the user changed nothing in the editor, nothing can be lost.
    editor.edit(&url, &index, "true", &["--dry-run"]).ok();
    assert_eq!(editor.kept(), Vec::<PathBuf>::new());

    let ran = editor.edit(&url, &index, narrow, &["--wait=1ms"]);
    assert_eq!(ran.code, 8, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("replaced one "), "{}", ran.stdout);
    assert!(
        !ran.stderr.contains("your changes are in"),
        "{}",
        ran.stderr
    );
    assert_eq!(editor.kept(), Vec::<PathBuf>::new());
}
