//! Checks when the certificates expire: those in files that the flags name, and those of the
//! cluster's nodes.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::{Clock as _, SystemClock};
use x509_parser::pem::Pem;

use super::report::Checks;
use crate::bounded_file;
use crate::duration::length;

const NAME: &str = "certificates";
/// `doctor` reports a warning if a certificate expires within this time.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Checks when the certificates in the given PEM files expire.
pub(super) fn check_files(checks: &mut Checks, files: Vec<PathBuf>) {
    for file in files {
        let place = file.display().to_string();
        let renew = format!("renew the certificate in {place}");
        match first_end(&file) {
            Ok(end) => check_end(checks, &place, end, &renew),
            Err(problem) => checks.failure(NAME, format!("{place}: {problem}"), renew),
        }
    }
}

/// Returns the instant at which the first of the certificates in a file expires.
fn first_end(file: &Path) -> Result<Timestamp, String> {
    let content = bounded_file::read(file).map_err(|error| error.to_string())?;
    let mut ends = Vec::new();
    for pem in Pem::iter_from_buffer(&content) {
        let pem = pem.map_err(|error| error.to_string())?;
        if pem.label != "CERTIFICATE" {
            continue;
        }
        let certificate = pem.parse_x509().map_err(|error| error.to_string())?;
        let seconds = certificate.validity().not_after.timestamp();
        ends.push(Timestamp::from_second(seconds).map_err(|error| error.to_string())?);
    }
    ends.into_iter()
        .min()
        .ok_or_else(|| "it contains no certificate".to_owned())
}

/// Checks when the certificates of the cluster's nodes expire, if the security plugin reports them.
pub(super) async fn check_servers(checks: &mut Checks, api: &DirectivesApi) {
    // `doctor` does not report an error if the cluster refuses to return its certificates. Only
    // administrators of the security plugin may read the certificates, and many clusters do not
    // have this plugin.
    let Ok(certificates) = api.server_certificates().await else {
        return;
    };
    for certificate in certificates {
        let subject = &certificate.subject;
        let renew = "renew the certificate of the node (plugins.security.ssl.http)";
        match certificate.not_after.parse() {
            Ok(end) => check_end(checks, subject, end, renew),
            Err(_) => checks.warning(
                NAME,
                format!(
                    "{subject}: its expiry {} cannot be parsed",
                    certificate.not_after
                ),
                renew,
            ),
        }
    }
}

fn check_end(checks: &mut Checks, what: &str, end: Timestamp, renew: &str) {
    let left = end.duration_since(SystemClock.now());
    if left.is_negative() {
        let text = format!("{what} expired {} ago", length(left.abs()));
        checks.failure(NAME, text, renew);
    } else if left < SOON {
        checks.warning(NAME, format!("{what} expires in {}", length(left)), renew);
    } else {
        checks.ok(NAME, format!("{what} expires in {}", length(left)));
    }
}
