//! Defines the flags that control the log of the agent and of the recorder. The flag `--log`
//! selects the events that the process logs to standard error. If `--log` is absent, the
//! environment variable `RUST_LOG` selects the events to log. The flag `--log-format` selects text
//! or JSON.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::super::exit::Failure;

/// The environment variable from which most Rust programs read the filter of their log.
const VARIABLE: &str = "RUST_LOG";
const DEFAULT: &str = "info";

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// Events to log, such as info or opensearch_directives=debug [default: RUST_LOG, otherwise
    /// info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,

    /// Format of the log: text for people, or one JSON object on each line
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl LogArgs {
    /// Installs the tracing subscriber that writes the log of the whole process.
    pub(super) fn install(&self) -> Result<(), Failure> {
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(self.filter()?)
            .with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Text => subscriber.with_ansi(std::io::stderr().is_terminal()).init(),
            // The JSON formatter writes the fields of an event into a separate object inside the
            // event. In the event's own object, a field named `level` would collide with the level
            // of the event.
            LogFormat::Json => subscriber.json().init(),
        }
        Ok(())
    }

    fn filter(&self) -> Result<EnvFilter, Failure> {
        let variable = || std::env::var_os(VARIABLE).filter(|filter| !filter.is_empty());
        let (origin, filter) = if let Some(filter) = &self.log {
            (format!("--log {filter}"), filter.clone())
        } else if let Some(filter) = variable() {
            let filter = filter.to_string_lossy().into_owned();
            (format!("{VARIABLE}={filter}"), filter)
        } else {
            return Ok(EnvFilter::new(DEFAULT));
        };
        EnvFilter::try_new(filter).map_err(|error| Failure::usage(format!("{origin}: {error}")))
    }
}
