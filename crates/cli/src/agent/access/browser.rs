//! Refuses requests to the agent that a browser sends on behalf of a web page of another site.
//! Without the checks in this file, a malicious web page could use the browser on this host to read
//! the agent's data, either directly or by DNS rebinding.

use std::collections::HashSet;
use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};

use super::super::api::Problem;

/// The host names under which clients may address the agent.
///
/// In a DNS rebinding attack, a host name of the attacker resolves to this host. The agent refuses
/// requests to the attacker's host name, because the list of allowed names does not contain it. The
/// agent accepts requests to any IP address, because an attack by DNS rebinding needs a host name.
#[derive(Debug)]
pub(in super::super) struct HostNames(HashSet<String>);

impl HostNames {
    pub(super) fn new(allowed: &[String]) -> Self {
        let localhost = std::iter::once("localhost".to_owned());
        let allowed = allowed.iter().map(|name| name.to_lowercase());
        Self(localhost.chain(allowed).collect())
    }

    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "the Host header is repeated",
            ));
        }
        let named = host
            .map(|host| host.to_str().ok().and_then(|host| host.parse().ok()))
            .into_iter()
            .chain(uri.authority().cloned().map(Some));
        for authority in named {
            if !authority.is_some_and(|authority| self.allows(&authority)) {
                return Err(Problem::new(
                    StatusCode::MISDIRECTED_REQUEST,
                    "the agent is not known by the host name of this request; --allow-host \
                     adds a name",
                ));
            }
        }
        Ok(())
    }

    /// Returns true if the authority of a request's URI consists only of an allowed host, with or
    /// without a port. The function compares the whole text of the authority, because the URI
    /// parser ignores a user name in front of the host and any text behind the host.
    fn allows(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let port = authority.as_str().strip_prefix(host);
        let is_port = |port: &str| {
            let port = port.strip_prefix(':');
            port.is_some_and(|port| port.parse::<u16>().is_ok())
        };
        if !port.is_some_and(|port| port.is_empty() || is_port(port)) {
            return false;
        }
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        literal.parse::<IpAddr>().is_ok() || self.0.contains(&host.to_lowercase())
    }
}

/// Refuses a request if its headers `Sec-Fetch-Site` or `Origin` show that a browser sent it for a
/// page of another origin. Programs other than browsers send neither `Sec-Fetch-Site` nor `Origin`,
/// so this check accepts their requests.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |what: &str| Err(Problem::new(StatusCode::FORBIDDEN, what));
    for site in headers.get_all("sec-fetch-site") {
        if !matches!(site.as_bytes(), b"same-origin" | b"none") {
            return refused("the request comes from a page of another site");
        }
    }
    for origin in headers.get_all(header::ORIGIN) {
        let origin: Option<Uri> = origin.to_str().ok().and_then(|origin| origin.parse().ok());
        let origin = origin.as_ref().and_then(Uri::authority);
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        if origin.is_none() || origin.map(Authority::as_str) != host {
            return refused("the request comes from a page of another origin");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn names_that_were_not_allowed_are_refused() {
        let names = HostNames::new(&["Directives-Hub.prod".to_owned()]);
        let path: Uri = "/v1/status".parse().unwrap();
        for host in [
            "localhost",
            "LOCALHOST:9980",
            "127.0.0.1:9980",
            "[::1]:9980",
            "10.1.2.3",
            "directives-hub.prod:9980",
        ] {
            names.check(&path, &headers(&[("host", host)])).unwrap();
        }
        for host in [
            "attacker.example",
            "localhost.attacker.example:9980",
            "localhost:9980.attacker.example",
            "[::1].attacker.example",
            "attacker.example@localhost",
            "localhost:",
            "localhost:99999",
            "a b",
        ] {
            names.check(&path, &headers(&[("host", host)])).unwrap_err();
        }
        // The agent accepts a request without a `Host` header, because HTTP/1.0 does not require
        // this header. If the request target is an absolute URI, it contains a host name, and the
        // agent checks this name in addition to the `Host` header.
        names.check(&path, &headers(&[])).unwrap();
        let absolute: Uri = "http://attacker.example/v1/status".parse().unwrap();
        let host = headers(&[("host", "localhost")]);
        names.check(&absolute, &host).unwrap_err();
        let twice = headers(&[("host", "localhost"), ("host", "localhost")]);
        names.check(&path, &twice).unwrap_err();
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let host = ("host", "localhost:9980");
        for allowed in [
            vec![],
            vec![("origin", "http://localhost:9980")],
            vec![("sec-fetch-site", "same-origin")],
            vec![("sec-fetch-site", "none")],
        ] {
            check_origin(&headers(&[&[host], allowed.as_slice()].concat())).unwrap();
        }
        for refused in [
            ("origin", "null"),
            ("origin", "http://attacker.example"),
            ("origin", "http://localhost:3000"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            check_origin(&headers(&[host, refused])).unwrap_err();
        }
    }
}
