//! Lets environment variables set the flags of the command. An empty environment variable counts as
//! unset.
//!
//! For the agent and the recorder, every flag has an environment variable. In the commands of
//! operators, only the flags for the connection, the output and the author have environment
//! variables. A flag that describes or selects directives has no variable, because a forgotten
//! variable would silently change what a command does.

use std::collections::HashMap;

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, Command};

use super::connection::SET_ONCE;
use super::context_file::Selected;

/// The flags for which the commands of operators read an environment variable, in addition to
/// [`SET_ONCE`].
const WITH_VARIABLE: [&str; 6] = [
    "context",
    "url",
    "directives-index",
    "output",
    "author",
    "dry-run",
];

/// Adds an environment variable to each flag that may have one. An empty environment variable
/// counts as unset. The selected context sets the defaults of flags, so an environment variable or
/// a flag on the command line overrides the context.
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

/// Returns true if a verb connects to the cluster or to an agent. A verb without a connection reads
/// no environment variables.
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
                // Every value of the environment variable sets the flag, except for words that mean
                // "no", such as `0` and `false`.
                ArgAction::SetTrue => arg.value_parser(FalseyValueParser::new()),
                _ => arg,
            };
            // The help text hides the current value of the environment variable, because it may be
            // an address with a password.
            arg.env(variable).hide_env_values(true)
        }
        Some(_) | None => arg,
    }
}

/// Returns true if a verb runs or checks an agent or a recorder. All flags of the verbs `agent`,
/// `probe` and `record` have environment variables.
fn is_of_service(verb: &str) -> bool {
    matches!(verb, "agent" | "probe" | "record")
}

fn is_empty(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.is_empty())
}

/// Returns the name of a flag's environment variable, which is `DIRECTIVES_` followed by the name
/// of the flag.
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
                // A flag for the path of a secret's file may have an environment variable, because
                // the path itself is not a secret.
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
