//! Determines through which HTTP proxy the client connects to each node. Environment variables of
//! the process select the HTTP proxy.
//!
//! The environment variables that select a proxy are `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
//! `NO_PROXY`, or their lower-case variants. The client never connects to a loopback address
//! through a proxy.

use hyper_util::client::proxy::matcher::Matcher;
use url::{Host, Url};

/// Returns the address of each node's proxy, without user name and password; `None` if the client
/// connects to the node directly.
pub(super) fn of_nodes(urls: &[Url], enabled: bool) -> Vec<Option<String>> {
    let environment = Matcher::from_env();
    let proxy = |url: &Url| {
        if !enabled || is_loopback(url) {
            return None;
        }
        let intercept = environment.intercept(&url.as_str().parse().ok()?)?;
        let uri = intercept.uri();
        let authority = uri.authority()?.as_str();
        // The part of the proxy's address before the `@` is left out, because this part contains
        // the user name and password.
        let host = authority.rsplit('@').next()?;
        Some(format!("{}://{host}", uri.scheme_str().unwrap_or("http")))
    };
    urls.iter().map(proxy).collect()
}

/// Returns true if the host of a URL is a loopback address.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
        None => false,
    }
}
