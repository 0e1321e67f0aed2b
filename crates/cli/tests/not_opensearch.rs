//! Tests that the command reports an error if the server is not OpenSearch. The command must not
//! report that a directive is missing if a server that is not OpenSearch responds with status 404.

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::command::run;

#[tokio::test(flavor = "multi_thread")]
async fn a_404_of_another_server_does_not_mean_that_a_directive_is_missing() {
    for (status, body) in [(404, "<h1>Not Found</h1>"), (200, "<h1>Welcome</h1>")] {
        let server = MockServer::start().await;
        let page = ResponseTemplate::new(status).set_body_raw(body, "text/html");
        Mock::given(any()).respond_with(page).mount(&server).await;
        for verb in [
            vec!["get", "look"],
            vec!["revoke", "look"],
            vec!["delete", "look"],
            vec!["list"],
            vec!["apply", "look", "--level", "Shape", "--tenant", "t"],
        ] {
            let ran = run(&server.uri(), "directives", &verb);
            assert_eq!(ran.code, 1, "{status} {verb:?}: {}", ran.stderr);
            assert!(
                !ran.stderr.contains("there is no directive"),
                "{}",
                ran.stderr
            );
            assert_eq!(ran.stdout, "", "{status} {verb:?}");
        }
    }
}
