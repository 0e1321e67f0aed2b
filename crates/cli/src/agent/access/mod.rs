//! Decides which requests the agent serves: checks TLS, tokens and client certificates, and refuses
//! requests that a browser sends on behalf of web pages of other sites.
//!
//! By default, only programs on this host can reach the agent. If other hosts can reach the agent,
//! each request needs TLS, and also a token or a client certificate. With the flag
//! `--allow-unauthenticated`, requests from other hosts need neither TLS nor a token nor a client
//! certificate.

mod browser;
mod tls;
mod tokens;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use clap::Args;
use tracing::{info, warn};

use super::super::exit::Failure;
use super::api::Problem;
use super::server::{Address, Peer, TlsReceiver};
pub(super) use browser::HostNames;
use tls::TlsFiles;
use tokens::{Tokens, Verdict};

#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub(super) struct AccessArgs {
    /// PEM file of the certificate chain with which the API serves HTTPS
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<PathBuf>,

    /// PEM file of the private key [default: the file of the certificate]
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key_file: Option<PathBuf>,

    /// PEM file of CA certificates; each client must present a certificate that one of them signed
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_client_ca: Option<PathBuf>,

    /// File of bearer tokens that permit reading status, directives, snapshots and metrics. Each
    /// line contains one token. A token in several files has several permissions
    #[arg(long, value_name = "FILE")]
    read_token_file: Option<PathBuf>,

    /// File of bearer tokens that permit evaluating requests
    #[arg(long, value_name = "FILE")]
    evaluate_token_file: Option<PathBuf>,

    /// File of bearer tokens that permit triggering a poll
    #[arg(long, value_name = "FILE")]
    refresh_token_file: Option<PathBuf>,

    /// File of bearer tokens that permit reporting to the fleet through this agent
    #[arg(long, value_name = "FILE")]
    report_token_file: Option<PathBuf>,

    /// Host name that clients use for the agent, in addition to localhost and IP addresses;
    /// separate several by commas, or repeat the flag
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    allow_host: Vec<String>,

    /// Serve the API to other hosts without TLS or authentication
    #[arg(long)]
    allow_unauthenticated: bool,
}

/// The permission that a request to the agent's API needs. The tokens for each permission are in a
/// separate file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Permission {
    Read,
    Evaluate,
    Refresh,
    Report,
}

impl Permission {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Evaluate => "evaluate",
            Self::Refresh => "refresh",
            Self::Report => "report",
        }
    }
}

impl AccessArgs {
    fn has_tokens(&self) -> bool {
        self.read_token_file.is_some()
            || self.evaluate_token_file.is_some()
            || self.refresh_token_file.is_some()
            || self.report_token_file.is_some()
    }

    /// Refuses a listening address that other hosts can reach without TLS or without
    /// authentication, unless `--allow-unauthenticated` is given.
    pub(super) fn check_beyond_this_host(&self, address: &Address) -> Result<(), Failure> {
        let is_protected =
            self.tls_certificate.is_some() && (self.has_tokens() || self.tls_client_ca.is_some());
        if is_protected || self.allow_unauthenticated {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "--listen {address}: other hosts could read the directives; set --tls-certificate \
             and a token file or --tls-client-ca, or add --allow-unauthenticated; for probes and \
             Prometheus use --health-listen"
        )))
    }
}

/// The access rules that the agent currently applies to requests. After SIGHUP, the agent reloads
/// its tokens and certificates from their files.
#[derive(Debug)]
pub(super) struct Access {
    files: Files,
    /// The tokens that the agent accepts; `None` if requests need no token.
    tokens: Option<RwLock<Tokens>>,
    tls: Option<tls::Tls>,
    host_names: HostNames,
}

#[derive(Debug)]
struct Files {
    tokens: tokens::TokenFiles,
    tls: Option<TlsFiles>,
}

impl Access {
    pub(super) async fn load(args: &AccessArgs) -> Result<Arc<Self>, Failure> {
        let files = Files {
            tokens: tokens::TokenFiles {
                read: args.read_token_file.clone(),
                evaluate: args.evaluate_token_file.clone(),
                refresh: args.refresh_token_file.clone(),
                report: args.report_token_file.clone(),
            },
            tls: args.tls_certificate.clone().map(|certificate| TlsFiles {
                key: args
                    .tls_key_file
                    .clone()
                    .unwrap_or_else(|| certificate.clone()),
                certificate,
                client_ca: args.tls_client_ca.clone(),
            }),
        };
        let tokens = if args.has_tokens() {
            let tokens = files.tokens.load().await.map_err(Failure::usage)?;
            Some(RwLock::new(tokens))
        } else {
            None
        };
        let tls = match &files.tls {
            Some(files) => Some(tls::Tls::load(files).await.map_err(Failure::usage)?),
            None => None,
        };
        Ok(Arc::new(Self {
            files,
            tokens,
            tls,
            host_names: HostNames::new(&args.allow_host),
        }))
    }

    /// Reloads the agent's tokens and certificates from their files. If one of the token files is
    /// unusable, the agent keeps all its current tokens. If the certificate file or its key file is
    /// unusable, the agent keeps its current certificate.
    pub(super) async fn reload(&self) {
        if let Some(current) = &self.tokens {
            match self.files.tokens.load().await {
                Ok(tokens) => {
                    *current.write().unwrap_or_else(PoisonError::into_inner) = tokens;
                    info!("the tokens were reloaded");
                }
                Err(error) => warn!(
                    error,
                    "the token files are unusable; the earlier tokens stay in use"
                ),
            }
        }
        if let (Some(current), Some(files)) = (&self.tls, &self.files.tls) {
            match current.reload(files).await {
                Ok(()) => info!("the TLS certificate was reloaded"),
                Err(error) => warn!(
                    error,
                    "the TLS certificate is unusable; the earlier one stays in use"
                ),
            }
        }
    }

    pub(super) fn serves_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) fn tls(&self) -> TlsReceiver {
        self.tls.as_ref().map(tls::Tls::receiver)
    }

    /// Refuses a request whose host name is not allowed, or which a browser sent for a web page of
    /// another site.
    pub(super) fn check_browser(
        &self,
        peer: Peer,
        uri: &axum::http::Uri,
        headers: &HeaderMap,
    ) -> Result<(), Problem> {
        // Browsers cannot connect to a Unix socket, so the agent accepts a request over a Unix
        // socket without checking its host name and origin.
        if peer.is_unix {
            return Ok(());
        }
        self.host_names.check(uri, headers)?;
        browser::check_origin(headers)
    }

    /// Refuses a request whose token does not have the required permission. A client that connects
    /// through a Unix socket needs no token, because the mode of the socket file already decides
    /// which users may connect. This function does not check client certificates, because the TLS
    /// handshake has already checked them.
    #[expect(
        clippy::result_large_err,
        reason = "an error is rare and is sent at once"
    )]
    pub(super) fn check_permission(
        &self,
        peer: Peer,
        headers: &HeaderMap,
        permission: Permission,
    ) -> Result<(), Response> {
        let Some(tokens) = self.tokens.as_ref().filter(|_| !peer.is_unix) else {
            return Ok(());
        };
        let tokens = tokens.read().unwrap_or_else(PoisonError::into_inner);
        match tokens.verdict(headers, permission) {
            Verdict::Permitted => Ok(()),
            Verdict::Unknown => {
                let problem = Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "the bearer token is missing or unknown",
                );
                let mut response = problem.into_response();
                let scheme = HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, scheme);
                Err(response)
            }
            Verdict::Lacking => Err(Problem::new(
                StatusCode::FORBIDDEN,
                format!(
                    "this token does not permit the operation: {}",
                    permission.as_str()
                ),
            )
            .into_response()),
        }
    }
}
