//! Tests what `init --dashboards` imports, into which tenant and workspace of OpenSearch
//! Dashboards, and what the command reports if the address is wrong.
//!
//! In these tests, a mock server replaces OpenSearch Dashboards, and sends the responses of version
//! 2.19.

use serde_json::json;
use wiremock::matchers::{header, header_exists, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::command::{Ran, run};
use crate::support::node::{installed_index, shared_url};

const IMPORT: &str = "/api/saved_objects/_import";

/// Runs `directives init` on a blocking thread, so that the test's tokio runtime can continue.
async fn import(args: &[&str]) -> Ran {
    let url = shared_url();
    let index = installed_index(&url, "imported").await;
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let ran = tokio::task::spawn_blocking(move || {
        let mut all = vec!["init", "--dashboards"];
        all.extend(args.iter().map(String::as_str));
        run(&url, &index, &all)
    });
    ran.await.unwrap()
}

fn imported() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"success": true, "successCount": 8}))
}

#[tokio::test]
async fn base_path_workspace_and_tenant_are_used_and_reported() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(format!("/base/w/ab1{IMPORT}")))
        .and(header("securitytenant", "ops"))
        .respond_with(imported())
        .expect(1)
        .mount(&server)
        .await;
    let base = format!("{}/base/w/ab1", server.uri());
    let page = format!("{base}/app/home#/");
    let ran = import(&[&page, "--dashboards-tenant", "ops"]).await.ok();
    let place =
        format!("import 8 saved objects into the tenant ops of the workspace ab1 of {base}\n");
    assert!(ran.stdout.contains(&place), "{}", ran.stdout);
    let link = format!("open {base}/app/dashboards?security_tenant=ops#/view/");
    assert!(ran.stdout.contains(&link), "{}", ran.stdout);
    server.verify().await;
}

#[tokio::test]
async fn without_a_tenant_no_header_names_one() {
    let server = MockServer::start().await;
    Mock::given(header_exists("securitytenant"))
        .respond_with(ResponseTemplate::new(500))
        .expect(0)
        .mount(&server)
        .await;
    Mock::given(path(IMPORT))
        .respond_with(imported())
        .mount(&server)
        .await;
    let ran = import(&[&server.uri()]).await.ok();
    let place = format!("import 8 saved objects into {}\n", server.uri());
    assert!(ran.stdout.contains(&place), "{}", ran.stdout);
    server.verify().await;
}

#[tokio::test]
async fn a_wrong_address_and_a_missing_login_are_told_apart() {
    let osd = |status: u16, message: &str| {
        ResponseTemplate::new(status)
            .set_body_json(json!({"statusCode": status, "error": message, "message": message}))
    };
    let redirect = |target: &str| ResponseTemplate::new(302).insert_header("location", target);
    let address = "this is not OpenSearch Dashboards, or its base path is missing";
    let login = "OpenSearch Dashboards requires a login";
    for (name, response, code, says) in [
        ("another base path", osd(404, "Not Found"), 1, address),
        (
            "a page",
            ResponseTemplate::new(200).set_body_string("<html>"),
            1,
            address,
        ),
        (
            "other JSON",
            ResponseTemplate::new(200).set_body_json(json!({"a": 1})),
            1,
            address,
        ),
        (
            "a node",
            ResponseTemplate::new(400).set_body_json(
                json!({"error": "no handler found for uri [/api] and method [POST]"}),
            ),
            5,
            address,
        ),
        ("to the base path", redirect("/base"), 1, address),
        ("to the login", redirect("/app/login?nextUrl=%2F"), 1, login),
        (
            "to the provider",
            redirect("https://idp.example/auth/realms/x"),
            1,
            login,
        ),
        ("401", osd(401, "Unauthorized"), 5, login),
        (
            "403",
            osd(403, "no permissions for tenant"),
            5,
            "no permissions for tenant",
        ),
    ] {
        let server = MockServer::start().await;
        Mock::given(path(IMPORT))
            .respond_with(response)
            .expect(1)
            .mount(&server)
            .await;
        let ran = import(&[&server.uri()]).await;
        assert_eq!(ran.code, code, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{name}: {}", ran.stderr);
        assert!(!ran.stdout.contains("open http"), "{name}: {}", ran.stdout);
        // The command must send only one request to a server that redirects the import, and must
        // not follow the redirect.
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn init_imports_the_dashboards() {
    let url = shared_url();
    let index = installed_index(&url, "import").await;
    let dashboards = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/api/saved_objects/_import"))
        .and(query_param("overwrite", "true"))
        .and(header("osd-xsrf", "true"))
        .and(|request: &Request| {
            let body = String::from_utf8_lossy(&request.body);
            let content_type = request.headers["content-type"].to_str().unwrap();
            let boundary = content_type
                .strip_prefix("multipart/form-data; boundary=")
                .unwrap();
            body.starts_with(&format!("--{boundary}\r\n"))
                && body.ends_with(&format!("\r\n--{boundary}--\r\n"))
                && body.contains("\"type\":\"dashboard\"")
        })
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({"success": true, "successCount": 8})),
        )
        .expect(1)
        .mount(&dashboards)
        .await;
    let args = ["init", "--dashboards", &dashboards.uri()];
    let ran = tokio::task::spawn_blocking({
        let (url, index, args) = (url.clone(), index.clone(), args.map(str::to_owned));
        move || run(&url, &index, &args.each_ref().map(String::as_str))
    });
    assert!(
        ran.await
            .unwrap()
            .ok()
            .stdout
            .contains("import 8 saved objects")
    );
    dashboards.verify().await;

    dashboards.reset().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(
            json!({"success": false, "errors": [{"id": "x", "error": {"type": "missing_references"}}]}),
        ))
        .mount(&dashboards)
        .await;
    let args = ["init", "--dashboards", &dashboards.uri()].map(str::to_owned);
    let ran = tokio::task::spawn_blocking(move || {
        run(&url, &index, &args.each_ref().map(String::as_str))
    });
    let ran = ran.await.unwrap();
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("missing_references"), "{}", ran.stderr);
}
