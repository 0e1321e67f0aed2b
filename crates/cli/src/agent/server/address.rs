//! Parses and formats the addresses on which an agent listens, such as `HOST:PORT`, `:PORT` or
//! `unix:PATH`.

use std::fmt;
#[cfg(unix)]
use std::path::PathBuf;
use std::str::FromStr;

/// An address on which an agent listens: a TCP port or the path of a Unix socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super::super) enum Address {
    /// With an empty host, the agent listens on all network interfaces.
    Tcp { host: String, port: u16 },
    #[cfg(unix)]
    Unix(PathBuf),
}

const FIX: &str =
    "write an address such as 127.0.0.1:9980, localhost:9980, :9980, or unix: and a path";

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(format!("the path of the socket is missing; {FIX}"));
            }
            return Ok(Self::Unix(path.into()));
        }
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| format!("the port is missing; {FIX}"))?;
        let port = port
            .parse()
            .map_err(|_| format!("{port:?} is not a port; {FIX}"))?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) if host.parse::<std::net::Ipv6Addr>().is_ok() => host,
            None if is_name_or_ipv4(host) => host,
            _ => return Err(format!("{host:?} is not a host; {FIX}")),
        };
        Ok(Self::Tcp {
            host: host.to_owned(),
            port,
        })
    }
}

fn is_name_or_ipv4(host: &str) -> bool {
    host.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_form_of_an_address_is_parsed() {
        for text in [
            "127.0.0.1:9980",
            ":9980",
            "localhost:9980",
            "directives-hub.prod:0",
            "[::1]:9980",
            "unix:/run/directives.sock",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_fix() {
        for text in [
            "",
            "9980",
            "localhost",
            "localhost:",
            "localhost:http",
            "::1:9980",
            "[localhost]:9980",
            "a b:1",
            "http://localhost:9980",
            "127.0.0.1:99999",
            "unix:",
        ] {
            let refused = text.parse::<Address>().unwrap_err();
            assert!(
                refused.contains("write an address such as"),
                "{text}: {refused}"
            );
        }
    }
}
