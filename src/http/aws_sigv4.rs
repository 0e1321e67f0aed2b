//! Signs requests with AWS Signature Version 4. An AWS credentials provider supplies the keys.

use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningParams, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use reqwest::header::{HeaderName, HeaderValue};

use super::config_error::ConfigError;
use super::error::Cause;
use super::wall_clock;

/// Signs HTTP requests for one AWS region and one AWS service.
#[derive(Clone)]
pub(super) struct Signer {
    provider: SharedCredentialsProvider,
    region: String,
    service: String,
}

impl Signer {
    pub(super) fn new(
        provider: &SharedCredentialsProvider,
        region: &str,
        service: &str,
    ) -> Result<Self, ConfigError> {
        if service.is_empty() || region.is_empty() {
            return Err(ConfigError::setting(
                "AWS region and service",
                "both are required to sign a request",
            ));
        }
        if service == "aoss" {
            return Err(ConfigError::setting(
                "AWS service",
                "OpenSearch Serverless (aoss) cannot store directives, because it has no \
                 document ids, statistics or refresh; use OpenSearch Service (es)",
            ));
        }
        Ok(Self {
            provider: provider.clone(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }

    pub(super) async fn sign(&self, request: &mut reqwest::Request) -> Result<(), Cause> {
        let credentials = self.provider.provide_credentials().await?;
        let expiry = credentials.expiry();
        let identity = Identity::new(credentials, expiry);
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .name(&self.service)
            .region(&self.region)
            .time(wall_clock())
            .settings(settings)
            .build()?;
        let body = request.body().and_then(reqwest::Body::as_bytes);
        let mut headers = Vec::new();
        for (name, value) in request.headers() {
            headers.push((name.as_str(), value.to_str()?));
        }
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.url().as_str(),
            headers.into_iter(),
            SignableBody::Bytes(body.unwrap_or_default()),
        )?;
        let (instructions, _) = sign(signable, &SigningParams::V4(params))?.into_parts();
        let (headers, query) = instructions.into_parts();
        for header in headers {
            let mut value = HeaderValue::from_str(header.value())?;
            value.set_sensitive(header.sensitive());
            let name = HeaderName::from_bytes(header.name().as_bytes())?;
            request.headers_mut().insert(name, value);
        }
        for (name, value) in query {
            request
                .url_mut()
                .query_pairs_mut()
                .append_pair(name, &value);
        }
        Ok(())
    }
}
