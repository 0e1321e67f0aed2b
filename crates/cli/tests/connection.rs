//! Tests the flags for the connection to the cluster. The command must never print a secret, and
//! must use the given proxies and CA certificates. The command must end with exit code 4 if the
//! cluster is unreachable.

use std::process::Output;

use test_support::hanging_connect::takes_no_connections;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::command::directives;

/// Runs the command with the given arguments and environment variables. Returns the exit code of
/// the command, and its standard output followed by its standard error.
fn run(args: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = directives();
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .args(args)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let printed = [stdout, stderr].concat();
    (
        status.code().unwrap_or(-1),
        String::from_utf8_lossy(&printed).into_owned(),
    )
}

async fn unauthorized() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(401).set_body_string("Unauthorized"))
        .mount(&server)
        .await;
    server
}

#[test]
fn no_help_prints_the_value_of_a_variable() {
    for command in ["init", "apply", "list", "get", "revoke", "delete", "agent"] {
        for help in ["--help", "-h"] {
            let url = ("DIRECTIVES_URL", "http://ann:hunter2@h:9200");
            let (code, printed) = run(&[command, help], &[url]);
            assert_eq!(code, 0, "{printed}");
            assert!(printed.contains("DIRECTIVES_URL"), "{printed}");
            assert!(!printed.contains("hunter2"), "{printed}");
        }
    }
}

/// Returns the names of the environment variables that the help text of a verb mentions.
fn variables_of(verb: &str) -> Vec<String> {
    let (_, help) = run(&[verb, "--help"], &[]);
    let names = help.split("[env: ").skip(1);
    names
        .map(|rest| rest.split([']', '=']).next().unwrap().to_owned())
        .collect()
}

#[test]
fn an_empty_variable_is_not_given() {
    let apply = "apply d --level shape --ttl 1h --reason r --index i --url http://127.0.0.1:1";
    for (line, at_least) in [
        ("list --url http://127.0.0.1:1", 15),
        (apply, 15),
        ("probe --agent 127.0.0.1:1", 4),
        ("agent --listen 127.0.0.1:0 --url http://127.0.0.1:1", 40),
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        let variables = variables_of(args[0]);
        assert!(variables.len() >= at_least, "{line}: {variables:?}");
        let empty: Vec<_> = variables.iter().map(|name| (name.as_str(), "")).collect();
        // The test compares only the last line of the output, because the earlier lines are log
        // lines with times.
        let [with_empty, without] = [&empty[..], &[]].map(|variables| {
            let (code, printed) = run(&args, variables);
            (code, printed.lines().last().map(str::to_owned))
        });
        assert_eq!(with_empty, without, "{line}");
        assert_eq!(without.0, 4, "{line}: {without:?}");
    }
}

#[test]
fn an_unreadable_url_is_not_printed() {
    for url in [
        "http//ann:hunter2@h",
        "ann:hunter2@h:9200",
        "http://ann:hunter2@h:port",
        "http://ann:hunter2@h",
        "http://h/?password=hunter2",
    ] {
        for agent in [false, true] {
            let args: &[&str] = if agent {
                &["agent", "--listen", "127.0.0.1:0"]
            } else {
                &["list"]
            };
            for (args, variables) in [
                ([args, &["--url", url]].concat(), vec![]),
                (args.to_vec(), vec![("DIRECTIVES_URL", url)]),
            ] {
                let (code, printed) = run(&args, &variables);
                assert_eq!(code, 2, "{printed}");
                assert!(printed.contains("url"), "{printed}");
                assert!(!printed.contains("hunter2"), "{printed}");
            }
        }
    }
}

#[tokio::test]
async fn the_error_for_a_401_names_the_flags_to_check() {
    let server = unauthorized().await;
    let url = server.uri();
    let password = ("DIRECTIVES_PASSWORD", " hunter2\n");
    let (code, printed) = run(&["list", "--url", &url, "--username", "ann"], &[password]);
    assert_eq!(code, 5, "{printed}");
    assert!(
        printed.contains("check user and password (Unauthorized)"),
        "{printed}"
    );
    assert!(!printed.contains("hunter2"), "{printed}");
    let sent = &server.received_requests().await.unwrap()[0];
    assert_eq!(sent.headers["authorization"], "Basic YW5uOmh1bnRlcjI=");
}

#[test]
fn a_password_without_a_user_name_is_refused() {
    let (code, printed) = run(&["list"], &[("DIRECTIVES_PASSWORD", "hunter2")]);
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("set --username"), "{printed}");
}

#[test]
fn a_password_over_plain_http_to_another_host_causes_a_warning() {
    let password = ("DIRECTIVES_PASSWORD", "hunter2");
    let warning = "without encryption";
    let command = |url| {
        [
            "list",
            "--username",
            "ann",
            "--request-timeout",
            "1s",
            "--url",
            url,
        ]
    };
    let (_, printed) = run(&command("http://opensearch.invalid"), &[password]);
    assert!(printed.contains(warning), "{printed}");
    for url in [
        "http://127.0.0.1:1",
        "http://localhost:1",
        "http://[::1]:1",
        "https://x.invalid",
    ] {
        let (_, printed) = run(&command(url), &[password]);
        assert!(!printed.contains(warning), "{printed}");
    }
}

#[tokio::test]
async fn loopback_never_uses_a_proxy_and_errors_name_a_used_proxy() {
    let server = unauthorized().await;
    let proxy = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(502).set_body_string("no route"))
        .mount(&proxy)
        .await;
    let authority = proxy.uri().replace("http://", "");
    let with_secret = format!("http://ann:hunter2@{authority}");
    for variable in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        let variables = [(variable, with_secret.as_str())];
        let (code, printed) = run(&["list", "--url", &server.uri()], &variables);
        assert_eq!(code, 5, "{variable}: {printed}");
        assert!(proxy.received_requests().await.unwrap().is_empty());

        let elsewhere = ["list", "--url", "http://opensearch.invalid:9200"];
        let (code, printed) = run(&elsewhere, &variables);
        assert_eq!(code, 4, "{variable}: {printed}");
        let named = format!("through the proxy http://{authority}");
        assert!(printed.contains(&named), "{variable}: {printed}");
        assert!(!printed.contains("hunter2"), "{variable}: {printed}");
        assert!(!proxy.received_requests().await.unwrap().is_empty());
        proxy.reset().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(502).set_body_string("no route"))
            .mount(&proxy)
            .await;

        let (code, printed) = run(&[&elsewhere[..], &["--no-proxy"]].concat(), &variables);
        assert_eq!(code, 4, "{variable}: {printed}");
        assert!(!printed.contains("proxy"), "{variable}: {printed}");
        let exempt = [variables[0], ("NO_PROXY", ".invalid")];
        let (_, printed) = run(&elsewhere, &exempt);
        assert!(
            !printed.contains("through the proxy"),
            "{variable}: {printed}"
        );
        assert!(proxy.received_requests().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn without_ca_certificates_http_works_and_https_names_the_remedy() {
    let none = [
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
        ("SSL_CERT_DIR", "/nowhere"),
    ];
    let server = unauthorized().await;
    let (code, printed) = run(&["list", "--url", &server.uri()], &none);
    assert_eq!(code, 5, "{printed}");
    let (code, printed) = run(&["list", "--url", "https://127.0.0.1:1"], &none);
    assert_eq!(code, 2, "{printed}");
    for text in [
        "`ca-certificates`",
        "--ca-certificate",
        "No CA certificates were loaded",
    ] {
        assert!(printed.contains(text), "{printed}");
    }
}

#[tokio::test]
async fn the_exit_code_is_4_if_the_cluster_accepts_no_connection() {
    let (hole, _held) = takes_no_connections().await;
    let (other, _held) = takes_no_connections().await;
    let urls = format!("{hole},{other}");
    let ran = tokio::task::spawn_blocking(move || {
        run(&["list", "--url", &urls, "--connect-timeout", "50ms"], &[])
    });
    let (code, printed) = ran.await.unwrap();
    assert!(printed.contains("no connection within 50ms"), "{printed}");
    assert_eq!(code, 4, "{printed}");
}

#[tokio::test]
async fn a_command_prints_the_credential() {
    let server = unauthorized().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("contexts.yaml");
    let variables = [("DIRECTIVES_CONFIG", config.to_str().unwrap())];
    let url = server.uri();
    let set = ["context", "set", "prod", "--url", &url];
    for (credentials, expected) in [
        (
            vec!["--credential-command", "echo hunter2"],
            "Bearer hunter2",
        ),
        (
            vec![
                "--username",
                "ann",
                "--credential-command",
                "printf hunter2",
            ],
            "Basic YW5uOmh1bnRlcjI=",
        ),
    ] {
        let (code, printed) = run(&[&set[..], &credentials].concat(), &variables);
        assert_eq!(code, 0, "{printed}");
        let (code, printed) = run(&["get", "one"], &variables);
        assert_eq!(code, 5, "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
        let requests = server.received_requests().await.unwrap();
        let header = &requests.last().unwrap().headers["authorization"];
        assert_eq!(header, expected);
    }
    for (command, says) in [
        ("exit 3", "the command failed: exit status: 3"),
        ("true", "the command printed nothing"),
        (
            "head -c 65537 /dev/zero | tr '\\0' x",
            "the command printed more than 65536 bytes",
        ),
    ] {
        let (code, printed) = run(&["get", "one", "--credential-command", command], &[]);
        assert_eq!(code, 2, "{printed}");
        assert!(printed.contains(says), "{printed}");
    }
    let args = ["agent", "--credential-command", "echo hunter2"];
    let (code, printed) = run(&args, &[]);
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("read only once"), "{printed}");
}

#[tokio::test]
async fn an_error_leads_with_the_point_and_has_its_details_with_verbose() {
    let busy = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(429))
        .mount(&busy)
        .await;
    let busy_url = busy.uri();
    let busy_text = format!("error: the cluster at {busy_url} is busy; try again");
    let tls_url = busy_url.replace("http:", "https:");
    let tls_text = format!("error: cannot reach {tls_url}: the server does not use TLS");
    let closed = "http://127.0.0.1:1";
    for (url, code, says) in [
        (
            closed,
            4,
            "error: cannot reach http://127.0.0.1:1: Connection refused\n",
        ),
        (&busy_url, 4, &busy_text),
        (&tls_url, 4, &tls_text),
        (
            "127.0.0.1:9200",
            2,
            "write it as http://HOST:9200 or https://HOST:9200",
        ),
        ("localhost:9200", 2, "write http:// or https://"),
    ] {
        for verb in ["get one", "list", "revoke one"] {
            let args: Vec<&str> = verb.split(' ').chain(["--url", url]).collect();
            let (found, printed) = run(&args, &[]);
            assert_eq!(found, code, "{verb} {url}: {printed}");
            assert!(printed.contains(says), "{verb} {url}: {printed}");
        }
    }
    let (_, details) = run(&["-v", "list", "--url", closed], &[]);
    assert!(details.contains("(GET /directives/"), "{details}");
    assert!(details.contains("tcp connect error"), "{details}");
}
