//! Which cluster, which index, as whom: what every subcommand asks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use opensearch_directives::admin::Client;
use opensearch_directives::{ClusterConfig, Credentials, Tls};
use url::Url;

use super::duration;
use super::exit::Failure;

/// How to reach the index.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ConnectionArgs {
    /// Address of a node; several with commas, or the flag several times
    #[arg(
        long,
        value_name = "URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:9200"
    )]
    url: Vec<Url>,

    /// The index that holds the directives, or an alias of exactly one
    #[arg(long, value_name = "NAME", default_value = ClusterConfig::DEFAULT_INDEX)]
    directives_index: String,

    /// User name; the password comes from DIRECTIVES_PASSWORD or --password-file
    #[arg(long, value_name = "NAME")]
    username: Option<String>,

    /// File that holds the password
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,

    /// File that holds a bearer token (or set DIRECTIVES_BEARER_TOKEN)
    #[arg(long, value_name = "FILE", conflicts_with = "username")]
    bearer_token_file: Option<PathBuf>,

    /// File that holds an API key as ID:KEY (or set DIRECTIVES_API_KEY)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["username", "bearer_token_file"])]
    api_key_file: Option<PathBuf>,

    /// File of CA certificates to trust, PEM
    #[arg(long, value_name = "FILE")]
    ca_certificate: Option<PathBuf>,

    /// File of a client certificate and its private key, PEM
    #[cfg(feature = "rustls-tls")]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["username", "bearer_token_file", "api_key_file"])]
    client_certificate: Option<PathBuf>,

    /// How long connecting to a node may take, where there is another to ask
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    connect_timeout: Duration,

    /// Sign requests (AWS Signature Version 4) for this region; the credentials come from
    /// AWS's usual places
    #[cfg(feature = "aws-sigv4")]
    #[arg(long, value_name = "REGION", conflicts_with_all = ["username", "bearer_token_file", "api_key_file"])]
    aws_region: Option<String>,

    /// Service to sign for: es, or aoss for OpenSearch Serverless
    #[cfg(feature = "aws-sigv4")]
    #[arg(long, value_name = "NAME", default_value = "es")]
    aws_service: String,
}

/// The time limit of one request of a command that runs once.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct TimeoutArgs {
    /// How long one request may take on one node
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    request_timeout: Duration,
}

impl ConnectionArgs {
    /// The cluster, with the secrets read.
    pub(super) async fn cluster(
        &self,
        request_timeout: Duration,
    ) -> Result<ClusterConfig, Failure> {
        let tls = match &self.ca_certificate {
            Some(file) => Tls::CertificateAuthority(read(file).await?.into_bytes()),
            None => Tls::System,
        };
        Ok(ClusterConfig::new(self.url.iter().cloned())
            .with_index(&self.directives_index)
            .with_credentials(self.credentials().await?)
            .with_tls(tls)
            .with_connect_timeout(self.connect_timeout)
            .with_request_timeout(request_timeout))
    }

    /// The same, at another address.
    pub(super) fn with_url(&self, url: Url) -> Self {
        Self {
            url: vec![url],
            ..self.clone()
        }
    }

    /// A client of the cluster for a command that runs once.
    pub(super) async fn client(&self, timeout: TimeoutArgs) -> Result<Client, Failure> {
        Ok(Client::new(&self.cluster(timeout.request_timeout).await?)?)
    }

    async fn credentials(&self) -> Result<Credentials, Failure> {
        #[cfg(feature = "aws-sigv4")]
        if let Some(region) = &self.aws_region {
            return aws(region.clone(), self.aws_service.clone()).await;
        }
        #[cfg(feature = "rustls-tls")]
        if let Some(file) = &self.client_certificate {
            return Ok(Credentials::ClientCertificate(read(file).await?.into()));
        }
        if let Some(username) = &self.username {
            let password = secret(self.password_file.as_deref(), "DIRECTIVES_PASSWORD").await?;
            let password = password.ok_or_else(|| {
                Failure::usage("--username: set DIRECTIVES_PASSWORD or --password-file, too")
            })?;
            return Ok(Credentials::Basic {
                username: username.clone(),
                password: password.into(),
            });
        }
        let file = self.bearer_token_file.as_deref();
        if let Some(token) = secret(file, "DIRECTIVES_BEARER_TOKEN").await? {
            return Ok(Credentials::Bearer(token.into()));
        }
        if let Some(pair) = secret(self.api_key_file.as_deref(), "DIRECTIVES_API_KEY").await? {
            let (id, key) = pair
                .split_once(':')
                .ok_or_else(|| Failure::usage("the API key: write it as ID:KEY"))?;
            return Ok(Credentials::ApiKey {
                id: id.to_owned(),
                key: key.into(),
            });
        }
        Ok(Credentials::None)
    }
}

/// A secret from a file, else from a variable.
async fn secret(file: Option<&Path>, variable: &str) -> Result<Option<String>, Failure> {
    match file {
        // An editor's newline at the end is not part of it.
        Some(file) => Ok(Some(read(file).await?.trim_end().to_owned())),
        None => Ok(std::env::var(variable).ok().filter(|text| !text.is_empty())),
    }
}

async fn read(file: &Path) -> Result<String, Failure> {
    tokio::fs::read_to_string(file)
        .await
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))
}

#[cfg(feature = "aws-sigv4")]
async fn aws(region: String, service: String) -> Result<Credentials, Failure> {
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(region.clone()))
        .load()
        .await;
    let provider = config
        .credentials_provider()
        .ok_or_else(|| Failure::usage("--aws-region: AWS's usual places hold no credentials"))?;
    Ok(Credentials::AwsSigV4 {
        provider,
        region,
        service,
    })
}
