//! Stores the HTTP clients with their current credentials and certificates. Replaces the HTTP
//! clients when a secret file changes or a provider returns other credentials.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::authorization::Authorization;
use super::config::ClusterConfig;
use super::config_error::{ConfigError, ConfigErrorKind};
use super::credentials::Credentials;
use super::error::{Cause, RequestFailure, chain};
use super::tls::{Tls, TlsConfig, TlsMaterial};
use crate::limited_read::LimitedRead;

/// The interval at which the client reads the secret files again and calls the credentials provider
/// again.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// The HTTP clients with the credentials and the certificates that they currently use.
pub(super) struct Session {
    clients: Clients,
    /// How requests are authenticated; `None` until the client has called the application's
    /// credentials provider for the first time.
    authorization: Option<Authorization>,
    tls_digest: [u8; 32],
}

/// The HTTP clients of a session: `direct` connects without a proxy, and `proxied` connects through
/// the proxy that the environment variables select. `proxied` is `None` if no node needs a proxy.
#[derive(Clone)]
struct Clients {
    direct: Route,
    proxied: Option<Route>,
}

/// Two HTTP clients that have the same TLS settings and the same proxy settings.
#[derive(Clone)]
struct Route {
    /// The HTTP client that reuses idle connections.
    pooled: reqwest::Client,
    /// The HTTP client that opens a new connection for each request, used after an idle connection
    /// was found closed.
    fresh: reqwest::Client,
}

impl Session {
    /// Returns the HTTP client for a request. `through_proxy` says whether the request goes through
    /// a proxy. `fresh` says whether the request needs a new connection.
    pub(super) fn client(&self, through_proxy: bool, fresh: bool) -> &reqwest::Client {
        let route = match &self.clients.proxied {
            Some(proxied) if through_proxy => proxied,
            _ => &self.clients.direct,
        };
        if fresh { &route.fresh } else { &route.pooled }
    }

    pub(super) fn authorization(&self) -> &Authorization {
        self.authorization.as_ref().unwrap_or(&Authorization::None)
    }
}

/// The settings from which the client creates a session, that is, HTTP clients with credentials and
/// certificates.
#[derive(Clone)]
pub(super) struct SessionSettings {
    tls: Tls,
    credentials: Credentials,
    needs_tls: bool,
    needs_proxy: bool,
    /// The connect timeout of connections without a proxy; `None` if there is only one node.
    connect_timeout: Option<Duration>,
    /// The time limit of a call of the credentials provider, and of a read of the secret files. The
    /// limit is shorter than the request timeout, so that the request that waits for new
    /// credentials can still be sent with the last good ones.
    reload_timeout: Duration,
}

impl SessionSettings {
    pub(super) fn new(config: &ClusterConfig, needs_proxy: bool) -> Self {
        Self {
            tls: config.tls.clone(),
            credentials: config.credentials.clone(),
            needs_tls: config.urls.iter().any(|url| url.scheme() == "https"),
            needs_proxy,
            // If there is only one node, the client has no other node to try, so only the time
            // limit of the whole request applies.
            connect_timeout: (config.urls.len() > 1).then_some(config.connect_timeout),
            // The division comes first, because the product of a very long timeout would overflow.
            reload_timeout: config.request_timeout / 4 * 3,
        }
    }

    /// Returns true if the credentials or the certificates can change at run time, because they
    /// come from files or from a provider.
    fn can_change(&self) -> bool {
        let credentials = match &self.credentials {
            Credentials::Basic {
                password: secret, ..
            }
            | Credentials::Bearer(secret)
            | Credentials::ApiKey(secret) => secret.is_file(),
            Credentials::Provider(_) => true,
            _ => false,
        };
        credentials || self.tls.has_files()
    }

    /// Creates the HTTP clients that use the certificates in `material`.
    fn clients(&self, material: &TlsMaterial) -> Result<Clients, ConfigError> {
        let tls = TlsConfig::new(material, self.needs_tls)?;
        let route = |through_proxy: bool| -> Result<Route, ConfigError> {
            let builder = || {
                let builder = tls.apply(client_builder());
                match self.connect_timeout {
                    _ if through_proxy => builder,
                    Some(limit) => builder.no_proxy().connect_timeout(limit),
                    None => builder.no_proxy(),
                }
            };
            Ok(Route {
                pooled: builder().build().map_err(client_error)?,
                fresh: builder()
                    .pool_max_idle_per_host(0)
                    .build()
                    .map_err(client_error)?,
            })
        };
        Ok(Clients {
            direct: route(false)?,
            proxied: self.needs_proxy.then(|| route(true)).transpose()?,
        })
    }
}

/// Returns a builder with the settings that all HTTP clients of this crate have in common. The
/// builder switches off redirects, retries and automatic decompression, even if another crate
/// enables these features of `reqwest`.
fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
}

fn client_error(error: reqwest::Error) -> ConfigError {
    ConfigError::new(
        ConfigErrorKind::Client,
        "the HTTP client cannot be built from these settings",
    )
    .with_source(error.without_url())
}

/// Contains the current session, and replaces the session when the credentials or the certificates
/// have changed.
pub(super) struct Sessions {
    settings: SessionSettings,
    state: Mutex<State>,
    /// A task holds the `renewing` lock while it creates a session, so that two tasks never create
    /// a session at the same time.
    renewing: tokio::sync::Mutex<()>,
    reads: LimitedRead<Result<Option<Session>, ConfigError>>,
    renewals: AtomicU64,
    failures: AtomicU64,
}

/// The application's credentials provider has not responded in time.
#[derive(Debug, thiserror::Error)]
#[error("the credentials provider of the application returned nothing within {0:?}")]
struct NotProvided(Duration);

struct State {
    session: Arc<Session>,
    /// The instant at which the last check for changed credentials and certificates began. `None`
    /// means that the client checks for changed credentials before the next request.
    checked_at: Option<Instant>,
}

impl Sessions {
    /// Reads all secret files and creates the first session. The client calls the application's
    /// credentials provider only later, before the first request.
    pub(super) fn new(settings: SessionSettings) -> Result<Self, ConfigError> {
        let material = settings.tls.read()?;
        let clients = settings.clients(&material)?;
        let authorization = match &settings.credentials {
            Credentials::Provider(_) => None,
            credentials => Some(Authorization::read(credentials)?),
        };
        let session = Arc::new(Session {
            clients,
            authorization,
            tls_digest: material.digest(),
        });
        Ok(Self {
            settings,
            state: Mutex::new(State {
                session,
                checked_at: Some(Instant::now()),
            }),
            renewing: tokio::sync::Mutex::default(),
            reads: LimitedRead::default(),
            renewals: AtomicU64::default(),
            failures: AtomicU64::default(),
        })
    }

    /// Returns the session for the next request. If a check for changed credentials and
    /// certificates is due, this function makes the check before it returns the session.
    pub(super) async fn current(&self) -> Result<Arc<Session>, RequestFailure> {
        let (session, checked_at) = {
            let state = self.state();
            (state.session.clone(), state.checked_at)
        };
        if session.authorization.is_none() {
            return match self.renewed(&session).await {
                Ok(renewed) => Ok(renewed.unwrap_or(session)),
                Err(error) => Err(RequestFailure::Credentials(error)),
            };
        }
        if checked_at.is_none_or(|checked_at| checked_at.elapsed() >= RENEW_EVERY) {
            return Ok(self.renew(&session).await.unwrap_or(session));
        }
        Ok(session)
    }

    /// Checks for changed credentials and certificates. Returns the session that replaces the
    /// session `used`, or `None` if nothing has changed. If the new files or credentials cannot be
    /// used, the function logs the error and returns `None`, so that `used` stays in use.
    pub(super) async fn renew(&self, used: &Arc<Session>) -> Option<Arc<Session>> {
        self.renewed(used).await.ok().flatten()
    }

    /// Makes the next request check for changed credentials and certificates before it is sent.
    pub(super) fn expire(&self) {
        self.state().checked_at = None;
    }

    /// Returns how many reloads of credentials or certificates have succeeded, and how many have
    /// failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (
            self.renewals.load(Ordering::Relaxed),
            self.failures.load(Ordering::Relaxed),
        )
    }

    async fn renewed(&self, used: &Arc<Session>) -> Result<Option<Arc<Session>>, Cause> {
        if !self.settings.can_change() {
            return Ok(None);
        }
        let asked_at = Instant::now();
        let _one_at_a_time = self.renewing.lock().await;
        let current = {
            let mut state = self.state();
            if !Arc::ptr_eq(&state.session, used) {
                return Ok(Some(state.session.clone()));
            }
            // A check that began after this call has found nothing new, so this caller need not
            // wait for another one.
            let has_credentials = used.authorization.is_some();
            if has_credentials && state.checked_at.is_some_and(|at| at > asked_at) {
                return Ok(None);
            }
            // The instant is set before the check, because a request that reaches its time limit
            // during the check drops this future. Later requests must not wait again.
            state.checked_at = Some(Instant::now());
            state.session.clone()
        };
        let result = self.make(current.clone()).await;
        let mut state = self.state();
        match result {
            Ok(None) => Ok(None),
            Ok(Some(session)) => {
                let session = Arc::new(session);
                state.session = session.clone();
                // The first credentials that a provider returns replace no other credentials, so
                // they do not count as a reload.
                if current.authorization.is_some() {
                    self.renewals.fetch_add(1, Ordering::Relaxed);
                    info!("credentials or certificates changed and were reloaded");
                }
                Ok(Some(session))
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                warn!(
                    error = chain(&*error),
                    "credentials or certificates cannot be reloaded; the last good ones stay in use"
                );
                Err(error)
            }
        }
    }

    /// Creates a session from the current content of the secret files and the current credentials
    /// of the provider. Returns `None` if neither the secret files nor the credentials have
    /// changed.
    async fn make(&self, current: Arc<Session>) -> Result<Option<Session>, Cause> {
        let mut settings = self.settings.clone();
        let limit = settings.reload_timeout;
        if let Credentials::Provider(provider) = &settings.credentials {
            let provided = tokio::time::timeout(limit, provider.provide()).await;
            settings.credentials = provided.map_err(|_| NotProvided(limit))??;
        }
        let read = move || read_session(&settings, &current);
        Ok(self.reads.run(limit, read).await??)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        super::lock(&self.state)
    }
}

/// Reads the secret files, and creates a session if the credentials or certificates have changed.
/// The call blocks the thread while it reads the secret files.
fn read_session(
    settings: &SessionSettings,
    current: &Session,
) -> Result<Option<Session>, ConfigError> {
    let authorization = Authorization::read(&settings.credentials)?;
    let material = settings.tls.read()?;
    let tls_digest = material.digest();
    let same_tls = tls_digest == current.tls_digest;
    if same_tls && authorization.is_same_as_before(current.authorization.as_ref()) {
        return Ok(None);
    }
    let clients = if same_tls {
        current.clients.clone()
    } else {
        settings.clients(&material)?
    };
    Ok(Some(Session {
        clients,
        authorization: Some(authorization),
        tls_digest,
    }))
}

#[cfg(test)]
#[path = "credential_reload_tests.rs"]
mod tests;
