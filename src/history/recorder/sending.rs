//! Sends one batch of records to the data stream, and distinguishes a failure of the whole batch
//! from the refusal of single records.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::history::append_records::{Appended, Entry, Stream};
use crate::http::RequestError;

/// A batch that is being sent. The output of the future contains the result for each record of the
/// batch.
pub(super) type Sending = BoxFuture<'static, Result<Vec<Appended>, SendError>>;

/// The reason why the whole batch failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the data stream {0} does not exist; create it with `directives init --history`")]
    NoStream(String),
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl SendError {
    /// Returns true if a server refused the request because of its size. A server in front of the
    /// cluster can have a lower size limit than the cluster.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Self::Request(error) if error.status() == Some(413))
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NoStream(_) => None,
            Self::Request(error) => error.retry_after(),
        }
    }
}

/// Sends one batch, and returns the result for each record. If the stream does not exist, the
/// function returns an error, and does not create the stream.
pub(super) async fn send(stream: &Stream, entries: Vec<Entry>) -> Result<Vec<Appended>, SendError> {
    if !stream.exists().await? {
        return Err(SendError::NoStream(stream.name().to_owned()));
    }
    let known = stream.known_deletions(&entries).await?;
    let rest = entries.into_iter().zip(&known);
    let mut rest: Vec<Entry> = rest
        .filter_map(|(entry, is_known)| (!is_known).then_some(entry))
        .collect();
    let mut appended = stream.append(&mut rest, false).await?.into_iter();
    let results = known.into_iter().map(|is_known| {
        if is_known {
            Appended::Before
        } else {
            let missing = || Appended::Failed("the response is incomplete".to_owned());
            appended.next().unwrap_or_else(missing)
        }
    });
    Ok(results.collect())
}

/// Completes with the result of the batch when the batch was sent. If no batch is being sent, the
/// future never completes.
pub(super) async fn sent(
    sending: &mut Option<(Vec<String>, Sending)>,
) -> Result<Vec<Appended>, SendError> {
    match sending {
        Some((_, future)) => future.await,
        None => std::future::pending().await,
    }
}
