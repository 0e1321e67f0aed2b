//! Formats an error for the operator: first the problem, and behind it the details if `--verbose`
//! is given.

use std::error::Error;
use std::sync::OnceLock;

use opensearch_directives::error::{RequestError, RequestErrorKind, chain};

static VERBOSE: OnceLock<bool> = OnceLock::new();

/// Sets for the whole process whether error messages contain all details.
pub(super) fn set_verbose(verbose: bool) {
    // `set` cannot fail here, because it fails only at a second call, and the command calls
    // `set_verbose` only once.
    let _ = VERBOSE.set(verbose);
}

/// Formats an error and its causes as one line of text.
pub(super) fn text(error: &(dyn Error + 'static)) -> String {
    if VERBOSE.get() == Some(&true) {
        return chain(error);
    }
    let request = causes(error).find_map(|cause| cause.downcast_ref::<RequestError>());
    let brief = request.and_then(brief);
    brief.unwrap_or_else(|| {
        let text = chain(error);
        // The function removes the general words at the start of the message, because the cause
        // behind them is more specific.
        match text.strip_prefix("the request to the cluster failed: ") {
            Some(cause) => cause.to_owned(),
            None => text,
        }
    })
}

/// Formats only the innermost cause of a failed connection. With `--verbose`, formats all causes of
/// the failed connection.
pub(super) fn cause(error: &(dyn Error + 'static)) -> String {
    if VERBOSE.get() == Some(&true) {
        return chain(error);
    }
    causes(error).last().map(without_number).unwrap_or_default()
}

/// Formats an error without the error number of the operating system, such as `(os error 111)`.
fn without_number(error: &(dyn Error + 'static)) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Iterates over an error, its cause, the cause of its cause, and so on.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Returns a short message if the cluster is unreachable or busy, and `None` for all other errors.
fn brief(error: &RequestError) -> Option<String> {
    let node = error.node()?.trim_end_matches('/');
    let text = error.to_string();
    let (failure, _) = text.split_once(&format!(" ({}", error.operation()))?;
    match (error.kind(), error.status()) {
        (RequestErrorKind::Connection, _) => {
            let cause = causes(error).skip(1).last().map(without_number);
            let cause = cause.unwrap_or_else(|| failure.to_owned());
            Some(format!("cannot reach {node}: {cause}"))
        }
        (RequestErrorKind::Timeout | RequestErrorKind::Tls, _) => {
            Some(format!("cannot reach {node}: {failure}"))
        }
        (_, Some(429)) => Some(format!("the cluster at {node} is busy; try again")),
        _ => None,
    }
}
