//! Tests that the responses of a false agent can neither control the terminal of a user nor exhaust
//! the memory of the user's machine.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::support::command::{Ran, directives};

/// A text with which a false agent would clear the screen of a terminal in two ways, add a line,
/// and reverse the direction of text.
const HOSTILE: &str = "\\u001b[2J\\u009b2J\\nerror: \\u202e";

/// Starts a false agent that sends the same response to each request, and returns its address.
fn serve(status: u16, body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Ok(_received) = stream.read(&mut [0; 4096]) else {
                continue;
            };
            let length = body.len();
            let response = format!(
                "HTTP/1.1 {status} S\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            let _ = stream.write_all(response.as_bytes());
        }
    });
    address.to_string()
}

fn run(address: &str, args: &[&str]) -> Ran {
    let url = format!("http://{address}");
    let agent = if args[0] == "probe" { address } else { &url };
    let ran = directives().args(args).args(["--agent", agent]).output();
    ran.unwrap().into()
}

#[test]
fn a_response_of_a_false_agent_is_bounded() {
    let address = serve(200, "x".repeat(65 << 20));
    let ran = run(&address, &["hits"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("larger than 67108864 bytes"),
        "{}",
        ran.stderr
    );
    let ran = run(&address, &["probe"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
}

#[test]
fn the_texts_of_a_false_agent_cannot_control_the_terminal() {
    let explain = [
        "explain",
        "--index",
        "i",
        "--principal",
        "p",
        "--endpoint",
        "Search",
    ];
    let at = "2030-01-01T00:00:00Z";
    let row = format!(
        r#"{{"id":"{HOSTILE}","published":true,"active":true,"matched":1,"sampled":1,"last_matched":null,
        "counted_since":"{at}"}}"#
    );
    let hits = format!(r#"{{"directives":[{row}]}}"#);
    let decided = format!(r#"{{"level":"{HOSTILE}","directives":["{HOSTILE}"]}}"#);
    let problem = format!(r#"{{"detail":"{HOSTILE}"}}"#);
    let raw = "ok \u{1b}[2J\u{9b}2J\u{202e}".to_owned();
    for (status, body, args, code) in [
        (200, hits.clone(), &["hits"][..], 0),
        (200, hits, &["hits", "-o", "json"], 0),
        (200, decided, &explain, 1),
        (500, problem.clone(), &["hits"], 1),
        (500, problem.clone(), &explain, 1),
        (500, problem, &["probe"], 1),
        (200, raw.clone(), &["probe"], 0),
        (200, raw, &["hits"], 1),
    ] {
        let ran = run(&serve(status, body.clone()), args);
        assert_eq!(
            ran.code, code,
            "{args:?} {body}: {}{}",
            ran.stdout, ran.stderr
        );
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        for char in ['\u{1b}', '\u{9b}', '\u{202e}'] {
            assert!(!shown.contains(char), "{args:?} {body}: {shown:?}");
        }
        let starts = ["error: \\u{202e}", "error: \u{fffd}"];
        let forged = |line: &str| starts.iter().any(|start| line.starts_with(start));
        let forged = shown.lines().any(forged);
        assert!(!forged, "{args:?} {body}: {shown:?}");
    }
}
