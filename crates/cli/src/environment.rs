//! Lists the environment variables that can replace flags, and treats an empty one as unset.
//!
//! The connection, the output, the author and the agent's settings have variables. The content
//! of a directive and the selection of directives have none, because a forgotten variable in a
//! shell would change them unnoticed.

use std::collections::HashMap;

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, Command};

use super::context_file::Selected;

/// The flags of operators' commands that have a variable.
const WITH_VARIABLE: [&str; 19] = [
    "context",
    "url",
    "directives-index",
    "username",
    "password-file",
    "bearer-token-file",
    "api-key-file",
    "credential-command",
    "ca-certificate",
    "client-certificate",
    "client-key",
    "no-proxy",
    "connect-timeout",
    "request-timeout",
    "aws-region",
    "aws-service",
    "output",
    "author",
    "dry-run",
];

/// Assigns environment variables to flags. An empty variable counts as unset. The values of a
/// context are defaults, which flags and variables override.
pub(super) fn with_variables(command: Command, context: Option<&Selected>) -> Command {
    let defaults: HashMap<&str, Vec<String>> = context
        .into_iter()
        .flat_map(|selected| selected.context.flags())
        .collect();
    command.mut_subcommands(|verb| {
        if !has_connection(&verb) {
            return verb;
        }
        let agent = is_of_agent(verb.get_name());
        verb.mut_args(|arg| {
            let default = arg.get_long().and_then(|long| defaults.get(long));
            let arg = match default {
                Some(values) => arg.default_values(values.clone()),
                None => arg,
            };
            with_variable(agent, arg)
        })
    })
}

/// Whether a verb connects to the cluster or to an agent. The flags of all other verbs have no
/// variables.
fn has_connection(verb: &Command) -> bool {
    verb.get_name() == "probe"
        || verb
            .get_arguments()
            .any(|arg| arg.get_long() == Some("directives-index"))
}

fn with_variable(agent: bool, arg: Arg) -> Arg {
    match variable(agent, &arg) {
        Some(variable) if !is_empty(&variable) => {
            let arg = match arg.get_action() {
                // Every value enables the flag, except forms of "no" such as `0` and `false`.
                ArgAction::SetTrue => arg.value_parser(FalseyValueParser::new()),
                _ => arg,
            };
            // The value may be an address that contains a password.
            arg.env(variable).hide_env_values(true)
        }
        Some(_) | None => arg,
    }
}

/// Whether all flags of a verb have variables, as settings of an agent.
fn is_of_agent(verb: &str) -> bool {
    matches!(verb, "agent" | "probe")
}

fn is_empty(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.is_empty())
}

/// Returns the name of a flag's variable: `DIRECTIVES_` and the name of the flag.
fn variable(agent: bool, arg: &Arg) -> Option<String> {
    let long = arg.get_long()?;
    if matches!(long, "help" | "version") || !agent && !WITH_VARIABLE.contains(&long) {
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
                let allowed = is_of_agent(verb.get_name()) || WITH_VARIABLE.contains(&long);
                let allowed = allowed && !matches!(long, "help" | "version");
                assert_eq!(variable.is_some(), allowed, "{} --{long}", verb.get_name());
                if let Some(variable) = variable {
                    assert!(variables.insert(variable.to_owned()), "--{long}");
                    assert!(arg.is_hide_env_values_set(), "--{long}");
                }
                // The path of a file with a secret is not a secret.
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
