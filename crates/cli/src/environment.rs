//! Sets flags from environment variables. An empty variable counts as unset.
//!
//! Environment variables exist for all flags of the agent and of the recorder. In the commands of
//! operators, variables exist for the flags of the connection, of the output and of the author. No
//! variable exists for a flag that describes or selects directives, because a forgotten variable
//! would silently change what a command does.

use std::collections::HashMap;

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, Command};

use super::connection::SET_ONCE;
use super::context_file::Selected;

/// The flags that an environment variable can set in the commands of operators, in addition to
/// [`SET_ONCE`].
const WITH_VARIABLE: [&str; 6] = [
    "context",
    "url",
    "directives-index",
    "output",
    "author",
    "dry-run",
];

/// Assigns an environment variable to each flag that can be set by a variable. An empty variable
/// counts as unset. The values of a context become the defaults of flags, so a variable or the
/// command line overrides them.
pub(super) fn with_variables(command: Command, context: Option<&Selected>) -> Command {
    let defaults: HashMap<&str, Vec<String>> = context
        .into_iter()
        .flat_map(|selected| selected.context.flags())
        .collect();
    command.mut_subcommands(|verb| {
        if !has_connection(&verb) {
            return verb;
        }
        let service = is_of_service(verb.get_name());
        verb.mut_args(|arg| {
            let default = arg.get_long().and_then(|long| defaults.get(long));
            let arg = match default {
                Some(values) => arg.default_values(values.clone()),
                None => arg,
            };
            with_variable(service, arg)
        })
    })
}

/// Returns true if a verb connects to the cluster or to an agent. The flags of a verb that connects
/// to neither have no environment variables.
fn has_connection(verb: &Command) -> bool {
    verb.get_name() == "probe"
        || verb
            .get_arguments()
            .any(|arg| arg.get_long() == Some("directives-index"))
}

fn with_variable(service: bool, arg: Arg) -> Arg {
    match variable(service, &arg) {
        Some(variable) if !is_empty(&variable) => {
            let arg = match arg.get_action() {
                // Every value of the variable sets the flag, except words for "no", such as `0` and
                // `false`.
                ArgAction::SetTrue => arg.value_parser(FalseyValueParser::new()),
                _ => arg,
            };
            // The help text does not show the value of the variable, because the value may be an
            // address that contains a password.
            arg.env(variable).hide_env_values(true)
        }
        Some(_) | None => arg,
    }
}

/// Returns true if a verb runs or checks a service: an agent or a recorder. All flags of a verb
/// that runs or checks a service have environment variables.
fn is_of_service(verb: &str) -> bool {
    matches!(verb, "agent" | "probe" | "record")
}

fn is_empty(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.is_empty())
}

/// Returns the name of the environment variable for a flag: `DIRECTIVES_` followed by the name of
/// the flag.
fn variable(service: bool, arg: &Arg) -> Option<String> {
    let long = arg.get_long()?;
    let is_of_operators = || WITH_VARIABLE.contains(&long) || SET_ONCE.contains(&long);
    if matches!(long, "help" | "version") || !service && !is_of_operators() {
        return None;
    }
    let name = match long {
        "directives-index" => "index",
        other => other,
    };
    Some(format!(
        "DIRECTIVES_{}",
        name.replace('-', "_").to_uppercase()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_of_a_directive_has_no_variable() {
        for verb in crate::command(None).get_subcommands() {
            if !has_connection(verb) {
                continue;
            }
            let mut variables = std::collections::HashSet::new();
            for arg in verb.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                let variable = arg.get_env().and_then(std::ffi::OsStr::to_str);
                let of_operators = WITH_VARIABLE.contains(&long) || SET_ONCE.contains(&long);
                let allowed = is_of_service(verb.get_name()) || of_operators;
                let allowed = allowed && !matches!(long, "help" | "version");
                assert_eq!(variable.is_some(), allowed, "{} --{long}", verb.get_name());
                if let Some(variable) = variable {
                    assert!(variables.insert(variable.to_owned()), "--{long}");
                    assert!(arg.is_hide_env_values_set(), "--{long}");
                }
                // The path of a file is not a secret even if the file contains a secret, so a
                // variable may contain this path.
                if arg
                    .get_value_names()
                    .is_some_and(|names| names.contains(&"FILE".into()))
                {
                    continue;
                }
                for secret in ["password", "token", "key"] {
                    assert!(!long.ends_with(secret), "--{long}");
                }
            }
        }
    }

    #[test]
    fn every_verb_that_writes_has_a_dry_run() {
        for name in [
            "init", "apply", "revoke", "delete", "extend", "edit", "prune", "sign",
        ] {
            let command = crate::command(None);
            let verb = command.find_subcommand(name);
            let dry_run = verb.and_then(|verb| {
                verb.get_arguments()
                    .find(|arg| arg.get_long() == Some("dry-run"))
            });
            assert!(dry_run.is_some_and(|arg| arg.get_env().is_some()), "{name}");
        }
    }
}
