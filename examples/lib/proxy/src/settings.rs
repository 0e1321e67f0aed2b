//! Reads the settings of the example proxies from environment variables, and creates the
//! configuration of the store and the evaluator of requests.

use std::env::{self, VarError};
use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use opensearch_directives::tower::{Evaluator, RestExtractor};
use opensearch_directives::{ClusterConfig, Config, DirectiveStore, Startup};
use url::Url;

/// The settings of an example proxy, each from one environment variable.
#[derive(Debug)]
pub struct Settings {
    /// `PROXY_LISTEN`: the address on which the proxy serves, 127.0.0.1:9201 by default.
    pub listen: String,
    /// `OPENSEARCH_URL`: the node to which the proxy forwards requests, `http://127.0.0.1:9200` by
    /// default.
    pub opensearch: Url,
    /// `DIRECTIVES_INDEX`: the name of the directives index, `directives` by default.
    pub index: String,
    /// `DIRECTIVES_INTERVAL_MS`: the pause between two polls in milliseconds, 5000 by default.
    pub interval: Duration,
    /// `DIRECTIVES_LAST_GOOD`: the file in which the store saves the last good set, no file by
    /// default.
    pub last_good: Option<String>,
}

impl Settings {
    /// Reads the settings of the proxy from environment variables, and uses the default for each
    /// missing variable.
    ///
    /// # Errors
    /// Returns an error that names the environment variable if the value of a variable is invalid.
    pub fn from_env() -> Result<Self, Box<dyn Error>> {
        let settings = Self {
            listen: variable("PROXY_LISTEN")?.unwrap_or_else(|| "127.0.0.1:9201".into()),
            opensearch: match variable("OPENSEARCH_URL")? {
                Some(url) => url,
                None => "http://127.0.0.1:9200".parse()?,
            },
            index: variable("DIRECTIVES_INDEX")?.unwrap_or_else(|| "directives".into()),
            interval: Duration::from_millis(variable("DIRECTIVES_INTERVAL_MS")?.unwrap_or(5000)),
            last_good: variable("DIRECTIVES_LAST_GOOD")?,
        };
        if settings.opensearch.scheme() != "http" {
            return Err("OPENSEARCH_URL: this example supports only http".into());
        }
        Ok(settings)
    }

    /// Returns the configuration of the proxy's store, with which the proxy starts even if the
    /// cluster is unavailable.
    #[must_use]
    pub fn config(&self) -> Config {
        let cluster = ClusterConfig::new([self.opensearch.clone()]).with_index(self.index.as_str());
        let config = Config::new(cluster).with_interval(self.interval);
        match &self.last_good {
            Some(file) => config
                .with_startup(Startup::LastGoodOrEmpty)
                .with_last_good(file),
            None => config.with_startup(Startup::Empty),
        }
    }

    /// Returns the host and the port of the OpenSearch node, as a `Host` header contains them.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.opensearch.host_str().unwrap_or("127.0.0.1");
        let port = self.opensearch.port_or_known_default().unwrap_or(80);
        format!("{host}:{port}")
    }
}

/// Creates the evaluator of both example proxies. **The headers for tenant and principal must come
/// from the authentication in front of the proxy, and never from a client.**
#[must_use]
pub fn evaluator(store: Arc<dyn DirectiveStore>) -> Evaluator {
    Evaluator::new(store).with_extractor(
        RestExtractor::new()
            .with_tenant_header(HeaderName::from_static("x-tenant"))
            .with_principal_header(HeaderName::from_static("x-principal")),
    )
}

/// Reads and parses an environment variable. Returns `None` for an empty variable, as for a missing
/// one.
fn variable<T>(name: &str) -> Result<Option<T>, Box<dyn Error>>
where
    T: FromStr<Err: Display>,
{
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => match value.parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(error) => Err(format!("{name}={value} is invalid: {error}").into()),
        },
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8").into()),
    }
}
