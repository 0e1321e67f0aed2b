//! Maps the library's errors to the documented exit codes of the command, and prints the errors.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use opensearch_directives::StartError;
use opensearch_directives::admin::{InstallError, WriteError};
use opensearch_directives::error::{
    ConfigError, PollError, ReadError, RequestError, chain as error_chain,
};
use opensearch_directives::history::HistoryError;
use opensearch_directives::internal::visible;

use super::error_text;

/// The section of `--help` that explains the environment variables and the exit codes.
pub(super) const HELP: &str = "\
Flags for the connection, the output and the author, and all flags of the agent, can also be set
by environment variables. The name of a variable is DIRECTIVES_ and the flag's name, such as
DIRECTIVES_URL; the variable of --directives-index is DIRECTIVES_INDEX. An empty variable counts
as not set. No flag takes a secret; secrets come from the environment or from files.

Exit codes:
  0  the command succeeded
  1  the command failed for a reason that has no code of its own
  2  the usage or the input is invalid, or a consent is missing (--yes, --replace); nothing was
     written, or the report names the directives that were skipped
  3  the directive or the index does not exist
  4  the cluster is unreachable, does not respond in time, or is busy
  5  the cluster refuses the caller or the request
  6  somebody else changed the directive at the same time; it was not written
  7  `diff` found differences
  8  `wait` or --wait: not enough instances applied the operation in time; a write was done
  9  the history lacks operations: `history verify` found a gap, or the state that `history --at`
     reports is not certain
  10 the history is not intact: it is not append-only, or records were changed, removed or forged
  11 the history does not exist or cannot be read completely
If several directives have different results, the worst result decides. A write that succeeded is a
success even if it could not be recorded in the history; a warning says what was not recorded.";

/// The exit code with which the process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Success = 0,
    Other = 1,
    Usage = 2,
    NotFound = 3,
    Unreachable = 4,
    Refused = 5,
    Conflict = 6,
    Differs = 7,
    NotConverged = 8,
    HistoryGap = 9,
    HistoryNotIntact = 10,
    HistoryUnreadable = 11,
}

impl Exit {
    /// Returns how severe an exit code is: the more severe the result, the greater the number. If
    /// one run of the command has several results, the most severe one decides the exit code.
    pub(super) fn severity(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Differs | Self::NotFound | Self::NotConverged | Self::HistoryGap => 1,
            Self::Usage => 2,
            Self::Conflict => 3,
            Self::Refused => 4,
            Self::Other | Self::HistoryNotIntact | Self::HistoryUnreadable => 5,
            Self::Unreachable => 6,
        }
    }

    /// Returns the more severe of two exit codes.
    pub(super) fn or_worse(self, other: Self) -> Self {
        if other.severity() > self.severity() {
            other
        } else {
            self
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The reason why the command failed, with the exit code of the process.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    error: Box<dyn Error + Send + Sync>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Control characters in the error message are escaped, because parts of the message may
        // come from a server.
        let text = visible(&self.text(), true);
        write!(f, "error: {text}")
    }
}

impl Failure {
    /// Returns the error message without the leading word `error`.
    pub(super) fn text(&self) -> String {
        error_text::text(&*self.error)
    }

    /// Returns the failure with a further line in its error message.
    pub(super) fn with_note(self, note: &str) -> Self {
        let text = format!("{}\n{note}", self.text());
        Self::new(self.exit, text)
    }

    /// Returns the failure with an exit code that is at least as severe as `exit`.
    pub(super) fn or_worse(mut self, exit: Exit) -> Self {
        self.exit = self.exit.or_worse(exit);
        self
    }

    pub(super) fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            exit,
            error: error.into(),
        }
    }

    pub(super) fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// Creates the failure that reports that a file has invalid content.
    pub(super) fn of_file(
        file: &std::path::Path,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        let error = error.into();
        Self::usage(format!("{}: {}", file.display(), error_chain(&*error)))
    }

    pub(super) fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::Other, error)
    }

    /// Prints the error and its causes on standard error, and returns the exit code of the process.
    pub(super) fn report(self) -> Exit {
        // The command succeeds if the reader of its output, such as `head`, closes the pipe early.
        if let Some(error) = self.error.downcast_ref::<std::io::Error>()
            && error.kind() == std::io::ErrorKind::BrokenPipe
        {
            return Exit::Success;
        }
        let _ = writeln!(std::io::stderr(), "{self}");
        self.exit
    }
}

fn of_request(error: &RequestError) -> Exit {
    match error.status() {
        _ if error.is_unreachable() => Exit::Unreachable,
        // OpenSearch returns status 429 if the cluster is overloaded.
        Some(429) => Exit::Unreachable,
        // A response of status 404 without an OpenSearch exception comes from another server, such
        // as a proxy, so it does not show that a directive is missing.
        Some(404) if error.exception().is_none() => Exit::Other,
        Some(404) => Exit::NotFound,
        Some(400..=499) => Exit::Refused,
        _ => Exit::Other,
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let exit = exit_of(&error);
        Self::new(exit, error)
    }
}

/// Maps an error of the library's `DirectivesApi` to an exit code.
pub(super) fn exit_of(error: &WriteError) -> Exit {
    if error.is_invalid() {
        Exit::Usage
    } else if error.is_not_found() {
        Exit::NotFound
    } else if error.is_conflict() {
        Exit::Conflict
    } else if error.is_unreachable() {
        Exit::Unreachable
    } else if error.is_refused() {
        Exit::Refused
    } else {
        Exit::Other
    }
}

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Self {
        let exit = if error.is_invalid() {
            Exit::Usage
        } else if error.is_unreachable() {
            Exit::Unreachable
        } else if error.is_not_found() {
            Exit::NotFound
        } else if error.is_refused() {
            Exit::Refused
        } else {
            Exit::Other
        };
        Self::new(exit, error)
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        let exit = match error.index_error() {
            Some(error) => exit_of(error),
            None if error.is_unreachable() => Exit::Unreachable,
            None => Exit::HistoryUnreadable,
        };
        Self::new(exit, error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let read = error.poll_error().and_then(PollError::read_error);
        let exit = if error.config_error().is_some() {
            Exit::Usage
        } else if error.is_unreachable() {
            Exit::Unreachable
        } else if error.is_index_not_found() {
            Exit::NotFound
        } else {
            read.and_then(ReadError::request)
                .map_or(Exit::Other, of_request)
        };
        Self::new(exit, error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::other(error)
    }
}
