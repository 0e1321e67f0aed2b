//! The flags that every subcommand has for reaching the cluster: addresses, credentials, TLS, time
//! limits.

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use opensearch_directives::admin::Client;
use opensearch_directives::{ClusterConfig, Credentials, Secret, Tls};
use url::Url;

use super::exit::Failure;
use super::{context_file, duration};

/// How to reach the index.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ConnectionArgs {
    /// Named cluster from the contexts' file, see `directives context`; flags and variables
    /// win over its values [default: the current context]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// Address of a node; several with commas, or the flag several times
    #[arg(
        long,
        value_name = "URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:9200"
    )]
    url: Vec<UrlText>,

    /// The index that holds the directives, or an alias of exactly one
    #[arg(long, value_name = "NAME", default_value = ClusterConfig::DEFAULT_INDEX)]
    directives_index: String,

    /// User name; the password comes from DIRECTIVES_PASSWORD or --password-file
    #[arg(long, value_name = "NAME")]
    username: Option<String>,

    /// File that holds the password; read again when it changes
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,

    /// File that holds a bearer token (or set DIRECTIVES_BEARER_TOKEN); read again when it
    /// changes
    #[arg(long, value_name = "FILE", conflicts_with = "username")]
    bearer_token_file: Option<PathBuf>,

    /// File that holds an API key as ID:KEY (or set DIRECTIVES_API_KEY); read again when it
    /// changes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["username", "bearer_token_file"])]
    api_key_file: Option<PathBuf>,

    /// File of CA certificates to trust, PEM; also the server's own certificate if it is
    /// self-signed
    #[arg(long, value_name = "FILE")]
    ca_certificate: Option<PathBuf>,

    /// File of a client certificate, PEM, with its private key unless --client-key is given
    #[arg(long, value_name = "FILE")]
    client_certificate: Option<PathBuf>,

    /// File of the private key of --client-certificate, PEM
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<PathBuf>,

    /// Do not use the proxies that HTTP_PROXY, HTTPS_PROXY and ALL_PROXY name; addresses of
    /// this machine and those in NO_PROXY never use one
    #[arg(long)]
    no_proxy: bool,

    /// How long connecting to a node may take if there are other nodes
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    connect_timeout: Duration,

    /// Sign requests (AWS Signature Version 4) for this region; the credentials come from
    /// AWS's usual places
    #[cfg(feature = "aws-sigv4")]
    #[arg(long, value_name = "REGION", conflicts_with_all = ["username", "bearer_token_file", "api_key_file"])]
    aws_region: Option<String>,

    /// Service to sign for
    #[cfg(feature = "aws-sigv4")]
    #[arg(long, value_name = "NAME", default_value = "es")]
    aws_service: String,
}

/// An address as it was given, which may contain a password: it is not printed, not even if
/// it cannot be parsed.
#[derive(Clone)]
struct UrlText(String);

impl From<OsString> for UrlText {
    fn from(text: OsString) -> Self {
        Self(text.to_string_lossy().into_owned())
    }
}

impl fmt::Debug for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlText(..)")
    }
}

impl UrlText {
    fn parse(&self) -> Result<Url, Failure> {
        self.0.trim().parse().map_err(|error| {
            Failure::usage(format!(
                "--url is not an address ({error}); write it as http://HOST:9200 or https://HOST:9200"
            ))
        })
    }
}

/// The time limit of one request of a command that runs once.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct TimeoutArgs {
    /// How long one request may take on one node
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    request_timeout: Duration,
}

impl ConnectionArgs {
    /// The settings of the cluster. The library reads the secrets that are in files.
    pub(super) async fn cluster(
        &self,
        request_timeout: Duration,
    ) -> Result<ClusterConfig, Failure> {
        let mut urls = Vec::new();
        for url in &self.url {
            urls.push(url.parse()?);
        }
        let cluster = ClusterConfig::new(urls)
            .with_index(&self.directives_index)
            .with_credentials(self.credentials().await?)
            .with_tls(self.tls())
            .with_connect_timeout(self.connect_timeout)
            .with_request_timeout(request_timeout);
        Ok(if self.no_proxy {
            cluster.without_proxy()
        } else {
            cluster
        })
    }

    /// Where the index is, for reports: its name and the first address, without credentials.
    pub(super) fn location(&self) -> String {
        let address = self.url.first().and_then(|text| {
            let mut url = text.parse().ok()?;
            // An address that cannot have credentials has none.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            Some(url.as_str().trim_end_matches('/').to_owned())
        });
        let address = address.unwrap_or_default();
        let location = format!("{} at {address}", self.directives_index);
        match context_file::selected() {
            Some(selected) => format!("{location} (context {})", selected.name),
            None => location,
        }
    }

    /// The same settings for another address.
    pub(super) fn with_url(&self, url: impl Into<String>) -> Self {
        Self {
            url: vec![UrlText(url.into())],
            ..self.clone()
        }
    }

    /// A client of the cluster for a command that runs once.
    pub(super) async fn client(&self, timeout: TimeoutArgs) -> Result<Client, Failure> {
        let cluster = self.cluster(timeout.request_timeout).await?;
        if let Some(url) = cluster.unencrypted_url() {
            // A warning that cannot be printed changes nothing.
            let _ = writeln!(
                std::io::stderr(),
                "warning: credentials are sent to {} over the network without encryption; use \
                 https",
                url.host_str().unwrap_or_default()
            );
        }
        Ok(Client::new(&cluster)?)
    }

    fn tls(&self) -> Tls {
        let mut tls = Tls::system();
        if let Some(file) = &self.ca_certificate {
            tls = tls.with_ca_certificates(Secret::file(file));
        }
        if let Some(file) = &self.client_certificate {
            tls = tls.with_client_certificate(Secret::file(file));
        }
        if let Some(file) = &self.client_key {
            tls = tls.with_client_key(Secret::file(file));
        }
        tls
    }

    #[cfg_attr(
        not(feature = "aws-sigv4"),
        expect(
            clippy::unused_async,
            reason = "AWS's places are looked up over the network"
        )
    )]
    async fn credentials(&self) -> Result<Credentials, Failure> {
        #[cfg(feature = "aws-sigv4")]
        if let Some(region) = &self.aws_region {
            return aws(region.clone(), self.aws_service.clone()).await;
        }
        let password = secret(self.password_file.as_ref(), "DIRECTIVES_PASSWORD");
        if let Some(username) = &self.username {
            let password = password.ok_or_else(|| {
                Failure::usage("--username: set DIRECTIVES_PASSWORD or --password-file, too")
            })?;
            return Ok(Credentials::Basic {
                username: username.clone(),
                password,
            });
        }
        let token = secret(self.bearer_token_file.as_ref(), "DIRECTIVES_BEARER_TOKEN");
        if let Some(token) = token {
            return Ok(Credentials::Bearer(token));
        }
        if let Some(key) = secret(self.api_key_file.as_ref(), "DIRECTIVES_API_KEY") {
            return Ok(Credentials::ApiKey(key));
        }
        if password.is_some() {
            return Err(Failure::usage(
                "a password is set (DIRECTIVES_PASSWORD), but no user name: set --username, too",
            ));
        }
        Ok(Credentials::None)
    }
}

/// A secret in a file, else in a variable; an empty variable counts as absent.
fn secret(file: Option<&PathBuf>, variable: &str) -> Option<Secret> {
    match file {
        Some(file) => Some(Secret::file(file)),
        None => std::env::var(variable)
            .ok()
            .filter(|text| !text.trim().is_empty())
            .map(Secret::from),
    }
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
