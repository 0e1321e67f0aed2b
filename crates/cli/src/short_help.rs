//! Shortens the help text of `-h`. Only the long help text of `--help` shows the flags that an
//! operator sets once, in a context or in the environment.

use clap::Command;

use super::connection::SET_ONCE;

/// The flags that only the long help text (`--help`) shows, in addition to [`SET_ONCE`].
const ONLY_IN_LONG_HELP: [&str; 5] = [
    "max-ttl",
    "sign-with",
    "sample-per-mille",
    "literal",
    "create-only",
];

/// Hides rarely used flags in the short help text (`-h`) of each verb for operators.
pub(super) fn with_fewer_flags(command: Command) -> Command {
    command.mut_subcommands(|verb| {
        let is_service = matches!(verb.get_name(), "agent" | "record");
        let is_main = matches!(verb.get_name(), "init" | "sign" | "context");
        verb.mut_args(|arg| {
            let is_connection = arg.get_help_heading() == Some("Cluster");
            let hide = arg
                .get_long()
                .is_some_and(|long| SET_ONCE.contains(&long) || ONLY_IN_LONG_HELP.contains(&long))
                && (is_connection || !is_main && !is_service);
            arg.hide_short_help(hide)
        })
    })
}

#[cfg(test)]
mod tests {

    #[test]
    fn the_short_help_of_each_verb_has_an_example_and_fits_two_screens() {
        for verb in crate::command(None).get_subcommands() {
            let name = verb.get_name();
            if matches!(name, "agent" | "record") {
                continue;
            }
            let short = verb.clone().render_help().to_string();
            assert!(short.contains("Example"), "{name}: {short}");
            assert!(short.lines().count() <= 80, "{name}: {short}");
            let long = verb.clone().render_long_help().to_string();
            for arg in verb.get_arguments() {
                let Some(flag) = arg.get_long() else { continue };
                assert!(long.contains(&format!("--{flag}")), "{name} --{flag}");
            }
        }
    }
}
