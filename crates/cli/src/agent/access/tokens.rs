//! Reads bearer tokens from files, and checks the token of a request. If several files contain the
//! same token, the token has the permissions of all these files.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};

use super::Permission;
use crate::bounded_file;

/// The minimum length of a bearer token in bytes. The agent refuses a token file that contains a
/// shorter token, because an attacker could guess a short token.
const MIN_TOKEN_BYTES: usize = 16;

/// The paths of the files that list the bearer tokens. Each permission has at most one file of
/// tokens.
#[derive(Clone, Debug)]
pub(super) struct TokenFiles {
    pub(super) read: Option<PathBuf>,
    pub(super) evaluate: Option<PathBuf>,
    pub(super) refresh: Option<PathBuf>,
    pub(super) report: Option<PathBuf>,
}

/// The hashes of the bearer tokens that grant each permission. The agent compares hashes instead of
/// the tokens, so the duration of a comparison reveals nothing about a token.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    read: HashSet<[u8; 32]>,
    evaluate: HashSet<[u8; 32]>,
    refresh: HashSet<[u8; 32]>,
    report: HashSet<[u8; 32]>,
}

/// The result of checking whether a request's token permits the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Permitted,
    /// The agent knows the request's token, but this token does not grant the permission that the
    /// request needs.
    Lacking,
    /// The request has no token, or a token that is in none of the token files.
    Unknown,
}

impl TokenFiles {
    pub(super) async fn load(&self) -> Result<Tokens, String> {
        Ok(Tokens {
            read: load_file(self.read.as_deref()).await?,
            evaluate: load_file(self.evaluate.as_deref()).await?,
            refresh: load_file(self.refresh.as_deref()).await?,
            report: load_file(self.report.as_deref()).await?,
        })
    }
}

async fn load_file(file: Option<&Path>) -> Result<HashSet<[u8; 32]>, String> {
    let Some(file) = file else {
        return Ok(HashSet::new());
    };
    let text = bounded_file::without_blocking(bounded_file::read_text, file)
        .await
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    parse(&text).map_err(|problem| format!("{}: {problem}", file.display()))
}

/// Parses the content of a token file: one token per line, without empty lines and lines that begin
/// with `#`.
fn parse(text: &str) -> Result<HashSet<[u8; 32]>, String> {
    let mut tokens = HashSet::new();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.len() < MIN_TOKEN_BYTES {
            return Err(format!(
                "the token in line {number} is shorter than {MIN_TOKEN_BYTES} characters"
            ));
        }
        tokens.insert(hash(line));
    }
    if tokens.is_empty() {
        return Err("it lists no token; write one per line".to_owned());
    }
    Ok(tokens)
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Tokens {
    pub(super) fn verdict(&self, headers: &HeaderMap, permission: Permission) -> Verdict {
        let Some(token) = bearer(headers).map(hash) else {
            return Verdict::Unknown;
        };
        let permitted = match permission {
            Permission::Read => &self.read,
            Permission::Evaluate => &self.evaluate,
            Permission::Refresh => &self.refresh,
            Permission::Report => &self.report,
        };
        if permitted.contains(&token) {
            return Verdict::Permitted;
        }
        let is_known = [&self.read, &self.evaluate, &self.refresh, &self.report]
            .iter()
            .any(|tokens| tokens.contains(&token));
        if is_known {
            Verdict::Lacking
        } else {
            Verdict::Unknown
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, token) = values.next()?.to_str().ok()?.split_once(' ')?;
    // The agent refuses a request with two `Authorization` headers, because a proxy in front of the
    // agent may have checked only one of the two.
    let is_single = values.next().is_none();
    (is_single && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const READER: &str = "reader-0123456789";
    const PROXY: &str = "proxy-0123456789ab";

    fn tokens() -> Tokens {
        Tokens {
            read: parse(READER).unwrap(),
            evaluate: parse(&format!("# of the proxies\n\n {PROXY} \n{READER}")).unwrap(),
            refresh: HashSet::new(),
            report: parse(PROXY).unwrap(),
        }
    }

    fn verdict(authorization: &[&str], permission: Permission) -> Verdict {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        tokens().verdict(&headers, permission)
    }

    #[test]
    fn a_token_permits_what_its_files_are_for() {
        use Permission::{Evaluate, Read, Refresh, Report};
        let (reader, proxy) = (format!("Bearer {READER}"), format!("bearer {PROXY}"));
        for (token, permission, expected) in [
            (&*reader, Read, Verdict::Permitted),
            (&*reader, Evaluate, Verdict::Permitted),
            (&*reader, Refresh, Verdict::Lacking),
            (&*proxy, Evaluate, Verdict::Permitted),
            (&*proxy, Read, Verdict::Lacking),
            (&*proxy, Report, Verdict::Permitted),
            (&*reader, Report, Verdict::Lacking),
            ("Bearer another-0123456789", Read, Verdict::Unknown),
            ("Bearer", Read, Verdict::Unknown),
            ("Basic cmVhZGVyLTAxMjM0NTY3ODk=", Read, Verdict::Unknown),
        ] {
            assert_eq!(verdict(&[token], permission), expected, "{token}");
        }
        assert_eq!(verdict(&[], Read), Verdict::Unknown);
        assert_eq!(verdict(&[&reader, &reader], Read), Verdict::Unknown);
    }

    #[test]
    fn a_file_without_a_usable_token_is_refused() {
        for text in ["", "\n# none\n", "short", &format!("{READER}\nshort")] {
            parse(text).unwrap_err();
        }
    }
}
