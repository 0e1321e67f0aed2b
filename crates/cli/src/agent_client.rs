//! Sends single requests to an agent over HTTP, HTTPS or a Unix socket.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use reqwest::{Certificate, Client, Method, StatusCode};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;
use url::Url;

use super::bounded_file;
use super::directive_text::printable;
use super::error_text;
use super::exit::{Exit, Failure};

/// The maximum size of an agent's response in bytes. A response that lists 100,000 directives is
/// smaller than this maximum.
const MAX_BODY_BYTES: usize = 64 << 20;

const FIX: &str = "write http://HOST:9980, https://HOST:9980, or unix: and the path of a socket";

/// The address at which the command reaches an agent: a URL or the path of a Unix socket.
#[derive(Clone, Debug)]
pub(super) enum AgentUrl {
    Http(Url),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl FromStr for AgentUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        match text.parse::<Url>() {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                Ok(Self::Http(url))
            }
            _ => Err(format!("it is not the address of an agent; {FIX}")),
        }
    }
}

impl std::fmt::Display for AgentUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(url) => f.write_str(url.as_str().trim_end_matches('/')),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An HTTP client that sends its requests to one agent.
#[derive(Debug)]
pub(super) struct AgentClient {
    client: Client,
    agent: AgentUrl,
    token: Option<String>,
}

impl AgentClient {
    /// Creates a client of one agent, which sends `token` with each request. The client trusts the
    /// CA certificates in the file `ca_certificate`, and those that the operating system trusts.
    fn new(
        agent: AgentUrl,
        token: Option<String>,
        ca_certificate: Option<&PathBuf>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let mut builder = Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none());
        #[cfg(unix)]
        if let AgentUrl::Unix(path) = &agent {
            builder = builder.unix_socket(path.clone());
        }
        if let Some(file) = ca_certificate {
            let pem = bounded_file::read(file).map_err(|error| Failure::of_file(file, error))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .map_err(|error| Failure::of_file(file, error))?;
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self {
            client: builder.build().map_err(Failure::other)?,
            agent,
            token,
        })
    }

    /// Creates a client of one agent, with the token from a file or from the environment. If a
    /// token file is given or `DIRECTIVES_AGENT_TOKEN` is set, the client sends this token with
    /// each request.
    pub(super) fn with_token_file(
        agent: &AgentUrl,
        token_file: Option<&PathBuf>,
        ca_certificate: Option<&PathBuf>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let token = match token_file {
            Some(file) => {
                let text = bounded_file::read_text(file);
                Some(text.map_err(|error| Failure::of_file(file, error))?)
            }
            None => std::env::var("DIRECTIVES_AGENT_TOKEN").ok(),
        };
        let token = token
            .map(|token| token.trim().to_owned())
            .filter(|token| !token.is_empty());
        Self::new(agent.clone(), token, ca_certificate, timeout)
    }

    /// Sends a request to the agent and decodes the JSON of the response. Returns `None` if the
    /// agent refuses the request because of the client's token (status 403).
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<T>, Failure> {
        let (status, text) = self.exchange(path, body).await.map_err(|error| {
            Failure::new(
                Exit::Unreachable,
                format!(
                    "cannot reach the agent at {}: {}",
                    self.agent,
                    error_text::cause(&*error)
                ),
            )
        })?;
        let refused = |exit, problem: &str| {
            Failure::new(exit, format!("the agent at {}: {problem}", self.agent))
        };
        let json = serde_json::from_slice::<Value>(&text).ok();
        match (status, json) {
            (StatusCode::OK, Some(json)) => decode(json).map(Some),
            (StatusCode::FORBIDDEN, _) => Ok(None),
            (StatusCode::UNAUTHORIZED, _) => Err(refused(
                Exit::Refused,
                "it requires a token; give --agent-token-file or DIRECTIVES_AGENT_TOKEN",
            )),
            (status, json) => {
                let problem = json.as_ref().and_then(|json| json["detail"].as_str());
                let status = format!("it responded with {status}; is it a `directives agent`?");
                let problem = problem.map_or(status, printable);
                Err(refused(Exit::Other, &problem))
            }
        }
    }

    async fn exchange(
        &self,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Vec<u8>), Box<dyn std::error::Error + Send + Sync>> {
        let url = match &self.agent {
            AgentUrl::Http(url) => url.join(path)?,
            #[cfg(unix)]
            AgentUrl::Unix(_) => Url::parse("http://localhost")?.join(path)?,
        };
        let mut request = match body {
            Some(body) => self
                .client
                .request(Method::POST, url)
                .header("content-type", "application/json")
                .body(body.to_string()),
            None => self.client.request(Method::GET, url),
        };
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let mut response = request.send().await?;
        let mut text = Vec::new();
        while let Some(part) = response.chunk().await? {
            if text.len() + part.len() > MAX_BODY_BYTES {
                return Err(format!("the response is larger than {MAX_BODY_BYTES} bytes").into());
            }
            text.extend_from_slice(&part);
        }
        Ok((response.status(), text))
    }
}

/// Decodes the JSON of an agent's response, and reports invalid JSON as a failure of the command.
pub(super) fn decode<'de, T: Deserialize<'de>>(
    json: impl Deserializer<'de, Error = serde_json::Error>,
) -> Result<T, Failure> {
    T::deserialize(json).map_err(|error| {
        Failure::other(format!(
            "the response is not one of a `directives agent` of this version: {error}"
        ))
    })
}
