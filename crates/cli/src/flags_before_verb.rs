//! Lets the user write flags before the verb: the command treats `directives --context prod list`
//! like `directives list --context prod`.

use std::collections::HashMap;
use std::ffi::OsString;

use clap::{ArgAction, Command};

/// Moves each flag that precedes the verb to a position after the verb. If a flag in front of the
/// verb is unknown to all verbs, the function moves nothing, so that the parser refuses this flag.
pub(super) fn move_behind_verb(mut args: Vec<OsString>, command: &Command) -> Vec<OsString> {
    let takes_value = flags(command);
    let mut end = 1;
    while let Some(text) = args.get(end).map(|arg| arg.to_string_lossy()) {
        if !text.starts_with('-') {
            break;
        }
        let Some(&takes_value) = takes_value.get(name(&text)) else {
            return args;
        };
        let is_complete = text.contains('=') || !text.starts_with("--") && text.len() > 2;
        end += if takes_value && !is_complete { 2 } else { 1 };
    }
    if end < args.len() {
        args[1..=end].rotate_right(1);
    }
    args
}

/// Returns the name of a flag without its value, such as `--output` for `--output=json` and `-o`
/// for `-ojson`.
fn name(text: &str) -> &str {
    if text.starts_with("--") {
        text.split_once('=').map_or(text, |(name, _)| name)
    } else {
        text.get(..2).unwrap_or(text)
    }
}

/// Returns the flags of all verbs, and for each flag whether it takes the next argument as its
/// value.
fn flags(command: &Command) -> HashMap<String, bool> {
    let mut all = HashMap::new();
    for arg in command.get_subcommands().flat_map(Command::get_arguments) {
        // A flag whose value must follow `=` does not take the next argument, because its value is
        // in the same argument.
        let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
            && !arg.is_require_equals_set();
        let long = arg.get_long_and_visible_aliases().unwrap_or_default();
        let short = arg.get_short_and_visible_aliases().unwrap_or_default();
        let names = long.iter().map(|long| format!("--{long}"));
        for name in names.chain(short.iter().map(|short| format!("-{short}"))) {
            all.insert(name, takes_value);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(text: &str) -> String {
        let args = text.split(' ').map(OsString::from).collect();
        let args = move_behind_verb(args, &crate::command(None));
        let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn flags_before_the_verb_are_moved_with_their_values() {
        for (typed, read) in [
            ("directives list", "directives list"),
            (
                "directives --wait apply slow",
                "directives apply --wait slow",
            ),
            (
                "directives --context prod list -w",
                "directives list --context prod -w",
            ),
            (
                "directives -o json --url=http://x get a",
                "directives get -o json --url=http://x a",
            ),
            (
                "directives -ojson --dry-run apply -f x",
                "directives apply -ojson --dry-run -f x",
            ),
            // A flag stays at its position if no verb has this flag, or if the command line
            // contains no verb.
            ("directives --version list", "directives --version list"),
            ("directives --nosuch list", "directives --nosuch list"),
            ("directives --context", "directives --context"),
            ("directives --dry-run", "directives --dry-run"),
        ] {
            assert_eq!(moved(typed), read);
        }
    }

    #[test]
    fn a_flag_takes_a_value_in_all_verbs_or_in_none() {
        let command = crate::command(None);
        for verb in command.get_subcommands() {
            let alone = Command::new("directives").subcommand(verb.clone());
            for (flag, takes_value) in flags(&alone) {
                assert_eq!(
                    flags(&command)[&flag],
                    takes_value,
                    "{} {flag}",
                    verb.get_name()
                );
            }
        }
    }
}
