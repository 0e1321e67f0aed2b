//! Settings of the connection to a cluster: the nodes, the index, the credentials, TLS, the time
//! limits and the size limit.

use std::fmt;
use std::time::Duration;

use url::Url;

use super::config_error::{ConfigError, ConfigErrorKind};
use super::credentials::Credentials;
use super::forward_proxy::is_loopback;
use super::tls::Tls;

/// The settings with which a client accesses the OpenSearch index that stores the directives.
/// [`Client::new`](super::Client::new) checks the settings and rejects invalid ones.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClusterConfig {
    /// The `http` or `https` addresses of the nodes, without user name or password. At least one
    /// address is required, and all nodes must belong to the same cluster.
    pub urls: Vec<Url>,
    /// The name of the index, or an alias of exactly one index.
    pub index: String,
    /// The credentials that the client sends with each request.
    pub credentials: Credentials,
    /// The CA certificates that the client trusts, and the client certificate that it presents.
    pub tls: Tls,
    /// The time limit of one request to one node, from connecting to the last byte of the response.
    pub request_timeout: Duration,
    /// The time limit for connecting to a node. If there is only one node, or if the connection
    /// goes through a proxy, only `request_timeout` limits the time for connecting.
    pub connect_timeout: Duration,
    /// The size limit of one response body in bytes. The size limit applies to the received bytes
    /// of a response body, and also to the decompressed bytes. As soon as a response exceeds the
    /// limit, the client refuses the response and does not read the rest.
    pub max_response_bytes: u64,
    /// True if the client connects through the proxies in the environment variables `HTTP_PROXY`,
    /// `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, or in their lower-case variants. The client never
    /// connects to a loopback address through a proxy.
    pub use_proxy: bool,
    /// The name of this instance, which is one store in one process. A hash of the instance name
    /// selects the node that the client tries first, so that the requests of a fleet are
    /// distributed over the nodes.
    pub instance: String,
}

impl ClusterConfig {
    /// The default name of the index that stores the directives.
    pub const DEFAULT_INDEX: &'static str = "directives";
    /// The default time limit of one request to one node.
    pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
    /// The default time limit for connecting to a node.
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
    /// The default size limit of one response: 56 MiB. With a limit of 56 MiB, one response
    /// increases the memory of the process by less than 64 MB.
    pub const DEFAULT_MAX_RESPONSE_BYTES: u64 = 56 << 20;

    /// Creates the settings for the index `directives` on the given nodes, without credentials.
    #[must_use]
    pub fn new(urls: impl IntoIterator<Item = Url>) -> Self {
        Self {
            urls: urls.into_iter().collect(),
            index: Self::DEFAULT_INDEX.to_owned(),
            credentials: Credentials::None,
            tls: Tls::system(),
            request_timeout: Self::DEFAULT_REQUEST_TIMEOUT,
            connect_timeout: Self::DEFAULT_CONNECT_TIMEOUT,
            max_response_bytes: Self::DEFAULT_MAX_RESPONSE_BYTES,
            use_proxy: true,
            instance: String::new(),
        }
    }

    /// Sets the name of the index, or of an alias of exactly one index.
    #[must_use]
    pub fn with_index(mut self, index: impl Into<String>) -> Self {
        self.index = index.into();
        self
    }

    /// Sets the credentials that the client sends with each request.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Sets the CA certificates that the client trusts, and the client certificate that it
    /// presents.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the time limit of one request to one node.
    #[must_use]
    pub fn with_request_timeout(mut self, request_timeout: Duration) -> Self {
        self.request_timeout = request_timeout;
        self
    }

    /// Sets the time limit for connecting to a node.
    #[must_use]
    pub fn with_connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// Sets the size limit of one response body in bytes.
    #[must_use]
    pub fn with_max_response_bytes(mut self, max_response_bytes: u64) -> Self {
        self.max_response_bytes = max_response_bytes;
        self
    }

    /// Makes the client ignore the proxies that environment variables specify.
    #[must_use]
    pub fn without_proxy(mut self) -> Self {
        self.use_proxy = false;
        self
    }

    /// Returns the first `http` address to which the client would send a password, a token or a key
    /// without encryption. Loopback addresses are ignored, because requests to them do not leave
    /// the machine.
    #[must_use]
    pub fn unencrypted_url(&self) -> Option<&Url> {
        let exposes = |url: &&Url| url.scheme() == "http" && !is_loopback(url);
        if self.credentials.can_be_reused_by_an_eavesdropper() {
            self.urls.iter().find(exposes)
        } else {
            None
        }
    }

    /// Returns an error if a setting of the connection to the cluster is invalid. The check of the
    /// settings sends no request.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.urls.is_empty() {
            return Err(url_error("no url: set the address of at least one node"));
        }
        for url in &self.urls {
            check_url(url)?;
        }
        check_index(&self.index)?;
        for (name, duration) in [
            ("request_timeout", self.request_timeout),
            ("connect_timeout", self.connect_timeout),
        ] {
            if duration.is_zero() {
                return Err(ConfigError::zero_duration(name));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ClusterConfig {
    /// The `Debug` output contains no secret, even if an address contains a secret by mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.urls.iter().map(without_secrets).collect();
        f.debug_struct("ClusterConfig")
            .field("urls", &urls)
            .field("index", &self.index)
            .field("credentials", &self.credentials)
            .field("tls", &self.tls)
            .field("request_timeout", &self.request_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("use_proxy", &self.use_proxy)
            .field("instance", &self.instance)
            .finish()
    }
}

/// Returns only the scheme, host, port and path of an address, because the other parts may contain
/// secrets.
fn without_secrets(url: &Url) -> String {
    if url.cannot_be_a_base() {
        // An address without a host is not printed, because it may contain a password: the text
        // `user:password` parses as an address without a host.
        return "(not printed, because it has no host)".to_owned();
    }
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}"));
    format!(
        "{}://{host}{}{}",
        url.scheme(),
        port.unwrap_or_default(),
        url.path()
    )
}

fn check_url(url: &Url) -> Result<(), ConfigError> {
    if !url.username().is_empty() || url.password().is_some() {
        // The error message omits the URL, because this URL contains a user name or a password.
        return Err(url_error(format!(
            "url of host {}: it contains a user name or password, which would appear in logs; \
             set the credentials separately",
            url.host_str().unwrap_or_default()
        )));
    }
    let problem = match url.scheme() {
        "http" => None,
        "https" if cfg!(any(feature = "rustls-tls", feature = "native-tls")) => None,
        "https" => Some("this build has no TLS; enable the feature `rustls-tls`"),
        _ => Some("write http:// or https://"),
    };
    let problem = match problem {
        Some(problem) => problem,
        None if url.host_str().is_none() => "it has no host",
        None if url.query().is_some() || url.fragment().is_some() => {
            "remove the query and the fragment"
        }
        None => return Ok(()),
    };
    Err(url_error(format!(
        "url {}: {problem}",
        without_secrets(url)
    )))
}

fn url_error(message: impl Into<String>) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Url, message)
}

/// Returns an error if `name` is not the name of exactly one index or alias. An index name with a
/// character such as `*` or `,` could refer to several indices. A name that could refer to several
/// indices is refused, because a directive set must come from exactly one index.
fn check_index(index: &str) -> Result<(), ConfigError> {
    let problem = if index.is_empty() {
        "it is empty"
    } else if index.len() > 255 {
        "it is longer than 255 bytes"
    } else if index.starts_with(['_', '-', '+']) {
        "it begins with one of _ - +"
    } else if index == "." || index == ".." {
        "it consists of dots"
    } else if index.contains(['*', ',', '?', '<', '>', '"', '\\', '/', '|', '#', ':', '%'])
        || index.contains(char::is_whitespace)
        || index.contains(char::is_control)
    {
        "it contains a wildcard, a comma, a space or another character that is not allowed in names"
    } else if index.chars().any(char::is_uppercase) {
        "it contains upper-case letters"
    } else {
        return Ok(());
    };
    Err(ConfigError::new(
        ConfigErrorKind::Index,
        format!("index {index:?}: {problem}; set the name of one index or alias"),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn config(url: &str) -> ClusterConfig {
        ClusterConfig::new([url.parse().unwrap()])
    }

    #[test]
    fn a_valid_configuration_is_accepted() {
        config("http://127.0.0.1:9200").check().unwrap();
        config("http://lb.example/opensearch/").check().unwrap();
        config("http://h")
            .with_index("directives-2026.11")
            .check()
            .unwrap();
    }

    #[test]
    fn a_secret_in_a_url_is_refused_and_not_repeated() {
        let error = config("http://admin:hunter2@h:9200").check().unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Url);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn a_name_that_could_mean_several_indices_is_refused() {
        for index in [
            "",
            "a*",
            "a,b",
            "_all",
            "-a",
            "A",
            "a b",
            "..",
            "<a-{now}>",
            "a/b",
        ] {
            let error = config("http://h").with_index(index).check().unwrap_err();
            assert_eq!(error.kind(), ConfigErrorKind::Index, "{index:?}");
        }
    }

    #[test]
    fn urls_that_cannot_work_are_refused() {
        for url in [
            "ftp://h",
            "ann:hunter2@h:9200",
            "http://h/?a=hunter2",
            "http://h/#f",
        ] {
            let error = config(url).check().unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert_eq!(error.kind(), ConfigErrorKind::Url, "{url}");
        }
        let error = ClusterConfig::new([]).check().unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Url);
    }

    #[test]
    fn debug_prints_no_secret() {
        let credentials = [
            Credentials::Basic {
                username: "u".to_owned(),
                password: "hunter2".into(),
            },
            Credentials::Bearer("hunter2".into()),
            Credentials::ApiKey("i:hunter2".into()),
        ];
        for credentials in credentials {
            let tls = Tls::system().with_client_certificate("hunter2");
            let config = config("http://u:hunter2@h/?k=hunter2")
                .with_credentials(credentials)
                .with_tls(tls);
            assert!(!format!("{config:?}").contains("hunter2"));
        }
    }
}
