//! Reads and writes the file that stores all contexts and the name of the current context. A
//! context is a set of connection flags that is stored under a name.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::bounded_file;
use super::exit::Failure;

/// The values of connection flags that the user has stored under a name. Each field is named like a
/// flag, and contains the value that the context sets for this flag. A context contains the paths
/// of files with secrets, but never the secrets themselves.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Context {
    #[serde(default)]
    pub(super) url: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) directives_index: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) password_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bearer_token_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credential_command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca_certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_certificate: Option<String>,
    /// Whether the user must confirm each write while this context is selected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) protected: bool,
}

impl Context {
    /// Returns the names and the values of the flags that this context sets.
    pub(super) fn flags(&self) -> impl Iterator<Item = (&'static str, Vec<String>)> {
        let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        [
            ("url", self.url.clone()),
            ("directives-index", one(&self.directives_index)),
            ("username", one(&self.username)),
            ("password-file", one(&self.password_file)),
            ("bearer-token-file", one(&self.bearer_token_file)),
            ("api-key-file", one(&self.api_key_file)),
            ("credential-command", one(&self.credential_command)),
            ("ca-certificate", one(&self.ca_certificate)),
            ("client-certificate", one(&self.client_certificate)),
        ]
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
    }
}

/// The content of the contexts file: all contexts, and the name of the current context.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contexts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) current: Option<String>,
    #[serde(default)]
    pub(super) contexts: BTreeMap<String, Context>,
}

impl Contexts {
    /// Reads the contexts file. If the contexts file does not exist, returns an empty list of
    /// contexts.
    pub(super) fn read() -> Result<Self, Failure> {
        let Some(file) = file() else {
            return Ok(Self::default());
        };
        match bounded_file::read_text(&file) {
            Ok(text) => {
                serde_saphyr::from_str(&text).map_err(|error| Failure::of_file(&file, error))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::of_file(&file, error)),
        }
    }

    /// Replaces the contexts file atomically, so that no reader sees an incomplete file.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let file = file().ok_or_else(|| {
            Failure::usage("the folder for the contexts is unknown: set HOME or DIRECTIVES_CONFIG")
        })?;
        let text = serde_saphyr::to_string(self).map_err(Failure::other)?;
        let folder = file.parent().unwrap_or(&file);
        let failed = |error: std::io::Error| Failure::of_file(&file, error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        std::io::Write::write_all(&mut new, text.as_bytes()).map_err(failed)?;
        new.persist(&file).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Returns the context with the given name, or an error that lists the known names.
    pub(super) fn get(&self, name: &str) -> Result<&Context, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            let known = match known[..] {
                [] => "no contexts exist; create one with `directives context set`".to_owned(),
                _ => format!("the contexts are {}", known.join(", ")),
            };
            Failure::usage(format!("there is no context {name}; {known}"))
        })
    }
}

/// Returns the path of the contexts file: the value of `DIRECTIVES_CONFIG`, or else a file in the
/// user's configuration folder.
fn file() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(file) = variable("DIRECTIVES_CONFIG") {
        return Some(file.into());
    }
    let folder = match variable("XDG_CONFIG_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable("HOME")?).join(".config"),
    };
    Some(folder.join("directives").join("contexts.yaml"))
}

/// The context that this process uses, with its name.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    pub(super) name: String,
    pub(super) context: Context,
}

static SELECTED: OnceLock<Option<Selected>> = OnceLock::new();

/// Returns the context that this process uses; `None` if it uses no context, or if [`select`] has
/// not run yet.
pub(super) fn selected() -> Option<&'static Selected> {
    SELECTED.get()?.as_ref()
}

/// Returns the name of the context that this process uses, if the user must confirm every write in
/// this context.
pub(super) fn protected() -> Option<&'static str> {
    let selected = selected().filter(|selected| selected.context.protected)?;
    Some(&selected.name)
}

/// Selects a context: the one that `--context` names, else the one that `DIRECTIVES_CONTEXT` names,
/// else the current context. This function runs before the parser of the command line, because the
/// selected context sets the defaults of flags.
pub(super) fn select(args: &[OsString]) -> Result<Option<Selected>, Failure> {
    let verb = args.get(1).and_then(|verb| verb.to_str());
    if matches!(verb, Some("context" | "completion" | "man")) {
        return Ok(None);
    }
    let named = flag(args)
        .or_else(|| std::env::var("DIRECTIVES_CONTEXT").ok())
        .filter(|name| !name.is_empty());
    let contexts = Contexts::read()?;
    // `context use` sets the current context only for the commands of operators. The agent and the
    // recorder ignore the current context, and use a context only if `--context` or
    // `DIRECTIVES_CONTEXT` names it.
    let is_service = matches!(verb, Some("agent" | "record"));
    let current = contexts.current.clone().filter(|_| !is_service);
    let Some(name) = named.or(current) else {
        return Ok(None);
    };
    let context = contexts.get(&name)?.clone();
    let selected = Selected { name, context };
    // `SELECTED` can be set only once, and `select` runs only once, so the call of `set` does not
    // fail.
    let _ = SELECTED.set(Some(selected.clone()));
    Ok(Some(selected))
}

fn flag(args: &[OsString]) -> Option<String> {
    let mut args = args.iter().map(|arg| arg.to_string_lossy());
    while let Some(arg) = args.next() {
        if arg == "--" {
            return None;
        }
        if arg == "--context" {
            return args.next().map(std::borrow::Cow::into_owned);
        }
        if let Some(name) = arg.strip_prefix("--context=") {
            return Some(name.to_owned());
        }
    }
    None
}
