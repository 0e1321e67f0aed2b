//! Tests that a store signs its requests with AWS Signature Version 4, and sends every header that
//! a server needs to verify such a signature.

use aws_credential_types::provider::SharedCredentialsProvider;
use opensearch_directives::{ClusterConfig, Config, Credentials, OpenSearchDirectiveStore};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::test]
async fn each_request_is_signed_for_the_region_and_service() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(403))
        .mount(&server)
        .await;
    let keys = aws_credential_types::Credentials::new("AKID", "hunter2", None, None, "test");
    let credentials = Credentials::AwsSigV4 {
        provider: SharedCredentialsProvider::new(keys),
        region: "eu-central-1".to_owned(),
        service: "es".to_owned(),
    };
    let cluster = ClusterConfig::new([server.uri().parse().unwrap()]).with_credentials(credentials);
    let config = Config::new(cluster);
    assert!(!format!("{config:?}").contains("hunter2"));
    OpenSearchDirectiveStore::start(config).await.unwrap_err();
    let requests = server.received_requests().await.unwrap();
    assert!(!requests.is_empty());
    for request in requests {
        let signature = request.headers["authorization"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            signature.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"),
            "{signature}"
        );
        assert!(
            signature.contains("/eu-central-1/es/aws4_request"),
            "{signature}"
        );
        assert!(!signature.contains("hunter2"));
    }
}

#[tokio::test]
async fn opensearch_serverless_is_refused_with_the_reason() {
    let keys = aws_credential_types::Credentials::new("AKID", "hunter2", None, None, "test");
    let credentials = Credentials::AwsSigV4 {
        provider: SharedCredentialsProvider::new(keys),
        region: "eu-central-1".to_owned(),
        service: "aoss".to_owned(),
    };
    let url = "https://127.0.0.1:1".parse().unwrap();
    let config = Config::new(ClusterConfig::new([url]).with_credentials(credentials));
    let error = OpenSearchDirectiveStore::start(config).await.unwrap_err();
    let text = opensearch_directives::error::chain(&error);
    assert!(text.contains("Serverless"), "{text}");
    assert!(text.contains("use OpenSearch Service (es)"), "{text}");
}
