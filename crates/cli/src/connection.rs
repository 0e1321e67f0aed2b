//! Defines the flags with which a subcommand connects to the cluster: addresses, credentials, TLS
//! and time limits. Also converts the connection flags to the library's configuration of the
//! cluster.

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use opensearch_directives::admin::Client;
use opensearch_directives::{ClusterConfig, Secret, Tls};
use url::Url;

use super::exit::Failure;
use super::{context_file, duration};

#[path = "connection_credentials.rs"]
mod credentials;

/// The connection flags that an operator usually sets only once, in a context or in the
/// environment.
pub(super) const SET_ONCE: [&str; 13] = [
    "username",
    "password-file",
    "bearer-token-file",
    "api-key-file",
    "credential-command",
    "ca-certificate",
    "client-certificate",
    "client-key",
    "no-proxy",
    "connect-timeout",
    "request-timeout",
    "aws-region",
    "aws-service",
];

/// The flags for the cluster, the index, and the credentials.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ConnectionArgs {
    /// Name of a context, see `directives context`; flags and variables override its values
    /// [default: the current context]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// Address of a node; separate several by commas, or repeat the flag
    #[arg(
        long,
        value_name = "URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:9200"
    )]
    url: Vec<UrlText>,

    /// The index that holds the directives, or an alias of exactly one index
    #[arg(long, value_name = "NAME", default_value = ClusterConfig::DEFAULT_INDEX)]
    directives_index: String,

    /// User name; the password comes from DIRECTIVES_PASSWORD or --password-file
    #[arg(long, value_name = "NAME")]
    username: Option<String>,

    /// File that holds the password; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// File that holds a bearer token (or set DIRECTIVES_BEARER_TOKEN); it is read again when
    /// it changes
    #[arg(long, value_name = "FILE", conflicts_with = "username")]
    bearer_token_file: Option<PathBuf>,

    /// File that holds an API key as ID:KEY (or set DIRECTIVES_API_KEY); it is read again when
    /// it changes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["username", "bearer_token_file"])]
    api_key_file: Option<PathBuf>,

    /// Command that prints the password of --username, or a bearer token if no user name is given;
    /// the shell runs it once. A secret in a file or a variable takes precedence over it
    #[arg(long, value_name = "COMMAND")]
    credential_command: Option<String>,

    /// PEM file of CA certificates to trust, or of the server's own certificate if that is
    /// self-signed
    #[arg(long, value_name = "FILE")]
    ca_certificate: Option<PathBuf>,

    /// PEM file of a client certificate; without --client-key, it also holds the private key
    #[arg(long, value_name = "FILE")]
    client_certificate: Option<PathBuf>,

    /// PEM file of the private key of --client-certificate
    #[arg(long, value_name = "FILE")]
    client_key: Option<PathBuf>,

    /// Ignore the proxies that HTTP_PROXY, HTTPS_PROXY and ALL_PROXY name. Connections to this
    /// machine and to hosts in NO_PROXY never use a proxy
    #[arg(long)]
    no_proxy: bool,

    /// Time limit for connecting to a node while there are other nodes to try
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    connect_timeout: Duration,

    /// Sign requests (AWS Signature Version 4) for this region; the credentials come from AWS's
    /// default provider chain
    #[cfg(feature = "aws-sigv4")]
    #[arg(long, value_name = "REGION", conflicts_with_all = ["username", "bearer_token_file", "api_key_file"])]
    aws_region: Option<String>,

    /// AWS service name in the signature
    #[cfg(feature = "aws-sigv4")]
    #[arg(long, value_name = "NAME", default_value = "es")]
    aws_service: String,
}

/// The address of a cluster, exactly as the user typed it in the flag. An address that cannot be
/// parsed may still contain a password, so the command never prints this text.
#[derive(Clone)]
pub(super) struct UrlText(String);

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
    pub(super) fn parse(&self) -> Result<Url, Failure> {
        self.0.trim().parse().map_err(|error| {
            Failure::usage(format!(
                "--url is not an address ({error}); write it as http://HOST:9200 or https://HOST:9200"
            ))
        })
    }
}

/// The flags of commands that run once: the time limit of a request, and whether an error is
/// printed with its details.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct TimeoutArgs {
    /// Time limit of one request to one node
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    request_timeout: Duration,

    /// Print the details of an error
    #[arg(short, long)]
    verbose: bool,
}

impl TimeoutArgs {
    /// Returns the time limit of one request to one node.
    pub(super) fn request_timeout(self) -> Duration {
        self.request_timeout
    }
}

impl ConnectionArgs {
    /// Converts the flags to the library's configuration of the cluster. The configuration contains
    /// only the paths of files with secrets, because the library reads these files itself.
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
            .with_tls(self.tls()?)
            .with_connect_timeout(self.connect_timeout)
            .with_request_timeout(request_timeout);
        Ok(if self.no_proxy {
            cluster.without_proxy()
        } else {
            cluster
        })
    }

    /// Returns the location of the index for reports: the name of the index, and the first address
    /// of the cluster without credentials.
    pub(super) fn location(&self) -> String {
        let address = self.url.first().and_then(|text| {
            let mut url = text.parse().ok()?;
            // `set_username` and `set_password` fail only for an address that cannot contain
            // credentials, so their errors are ignored.
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

    /// Returns the path in `--ca-certificate`, or `None` if this flag is not given.
    pub(super) fn ca_certificate(&self) -> Option<&PathBuf> {
        self.ca_certificate.as_ref()
    }

    /// Refuses `--credential-command` for the agent and the recorder, which run for days. A process
    /// runs the credential command only once, so it could not renew an expired secret.
    pub(super) fn require_renewable_credentials(&self) -> Result<(), Failure> {
        match &self.credential_command {
            None => Ok(()),
            Some(_) => Err(Failure::usage(
                "--credential-command: its secret would be read only once; an agent reads a file, \
                 such as --bearer-token-file, again when it changes",
            )),
        }
    }

    /// Returns the paths in the flags that name PEM files with certificates.
    pub(super) fn certificate_files(&self) -> Vec<PathBuf> {
        let files = [&self.ca_certificate, &self.client_certificate];
        files.into_iter().flatten().cloned().collect()
    }

    /// Returns a copy of the connection flags in which the given address replaces `--url`.
    pub(super) fn with_url(&self, url: impl Into<String>) -> Self {
        Self {
            url: vec![UrlText(url.into())],
            ..self.clone()
        }
    }

    /// Creates a client of the cluster for a command that ends after a few requests.
    pub(super) async fn client(&self, timeout: TimeoutArgs) -> Result<Client, Failure> {
        let cluster = self.cluster(timeout.request_timeout).await?;
        if let Some(url) = cluster.unencrypted_url() {
            // If the warning about unencrypted credentials cannot be printed, the command
            // continues.
            let _ = writeln!(
                std::io::stderr(),
                "warning: credentials are sent to {} over the network without encryption; use \
                 https",
                url.host_str().unwrap_or_default()
            );
        }
        Ok(Client::new(&cluster)?)
    }

    fn tls(&self) -> Result<Tls, Failure> {
        let mut tls = Tls::system();
        if self.client_key.is_some() && self.client_certificate.is_none() {
            return Err(Failure::usage(
                "--client-key: set --client-certificate, too",
            ));
        }
        if let Some(file) = &self.ca_certificate {
            tls = tls.with_ca_certificates(Secret::file(file));
        }
        if let Some(file) = &self.client_certificate {
            tls = tls.with_client_certificate(Secret::file(file));
        }
        if let Some(file) = &self.client_key {
            tls = tls.with_client_key(Secret::file(file));
        }
        Ok(tls)
    }
}
