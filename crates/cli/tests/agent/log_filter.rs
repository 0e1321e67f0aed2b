//! Tests that `--log`, `DIRECTIVES_LOG` and `RUST_LOG` select which events are logged, and that
//! `--log-format` selects the format.

use crate::support::agent::Agent;
use crate::support::command::directives;

/// Runs an agent with the given arguments and variables, and returns its log.
fn logged(args: &[&str], variables: &[(&str, &str)]) -> String {
    let args = [args, &["--startup", "empty"]].concat();
    Agent::start_with("http://127.0.0.1:1", "any", &args, variables).stop()
}

#[test]
fn the_flag_precedes_its_variable_and_the_variable_precedes_rust_log() {
    // Each case contains the values of `--log`, of `DIRECTIVES_LOG` and of `RUST_LOG`, and is true
    // if an agent with these values logs its start.
    let cases = [
        (None, None, None, true),
        (None, None, Some("off"), false),
        (None, None, Some(""), true),
        (None, Some("info"), Some("off"), true),
        (None, Some("off"), Some("info"), false),
        (Some("off"), None, Some("info"), false),
        (Some("info"), Some("off"), None, true),
    ];
    for (flag, variable, rust_log, is_logged) in cases {
        let args: Vec<&str> = flag
            .map(|filter| ["--log", filter])
            .into_iter()
            .flatten()
            .collect();
        let variables = [("DIRECTIVES_LOG", variable), ("RUST_LOG", rust_log)];
        let variables: Vec<_> = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let log = logged(&args, &variables);
        assert_eq!(
            log.contains("serving"),
            is_logged,
            "{args:?} {variables:?}: {log}"
        );
    }
}

#[test]
fn the_error_of_an_invalid_filter_contains_the_filter() {
    let refusal = |args: &[&str], variables: &[(&str, &str)]| {
        let ended = directives()
            .args([
                "agent",
                "--listen",
                "127.0.0.1:0",
                "--url",
                "http://127.0.0.1:1",
            ])
            .args(args)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(2));
        String::from_utf8(ended.stderr).unwrap()
    };
    let by_flag = refusal(&["--log", "a=loud"], &[("RUST_LOG", "info")]);
    assert!(by_flag.contains("--log a=loud: "), "{by_flag}");
    let by_variable = refusal(&[], &[("RUST_LOG", "a=loud")]);
    assert!(by_variable.contains("RUST_LOG=a=loud: "), "{by_variable}");
}

#[test]
fn every_line_of_a_json_log_is_an_object_with_the_message() {
    let log = logged(&["--log-format", "json", "--log", "info"], &[]);
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let serving = lines
        .iter()
        .find(|line| line["fields"]["message"] == "serving");
    let serving = serving.unwrap_or_else(|| panic!("{log}"));
    assert_eq!(serving["level"], "INFO");
    assert!(
        serving["fields"]["url"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
}
