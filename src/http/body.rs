//! Reads a response body up to a size limit. The size limit applies to the received bytes of a
//! body, and also to the decompressed bytes.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use super::error::RequestFailure;

/// Reads a whole response body into memory. Returns an error as soon as the received or the
/// decompressed bytes of the body exceed `limit`. The function never stores more than `limit` bytes
/// of the body.
pub(super) async fn read(
    mut response: reqwest::Response,
    limit: u64,
) -> Result<Bytes, RequestFailure> {
    let mut body = Body::new(response.headers(), limit)?;
    if response
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(RequestFailure::TooLarge { limit });
    }
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        body.push(&chunk)?;
    }
    body.finish()
}

/// Reads the first `limit` bytes of the body of an error response. An error message quotes only the
/// beginning of the body, so the client does not read further.
pub(super) async fn read_beginning(
    mut response: reqwest::Response,
    limit: u64,
) -> Result<Bytes, RequestFailure> {
    let mut body = Body::new(response.headers(), limit)?;
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        match body.push(&chunk) {
            Err(RequestFailure::TooLarge { .. }) => break,
            result => result?,
        }
    }
    Ok(body.into_bytes())
}

fn broken(error: reqwest::Error) -> RequestFailure {
    RequestFailure::Connection(error.without_url().into())
}

/// Decompresses a response body while the client receives it, and checks the size limit.
struct Body {
    decoder: Decoder,
    received: u64,
    limit: u64,
}

enum Decoder {
    Identity(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

impl Body {
    fn new(headers: &HeaderMap, limit: u64) -> Result<Self, RequestFailure> {
        let bounded = Bounded {
            bytes: Vec::new(),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            is_exceeded: false,
        };
        let encodings = headers.get_all(CONTENT_ENCODING).iter();
        let encoding = encodings
            .map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase())
            .filter(|value| !value.trim().is_empty())
            .collect::<Vec<_>>()
            .join(", ");
        let decoder = match encoding.trim() {
            "" | "identity" => Decoder::Identity(bounded),
            "gzip" | "x-gzip" => Decoder::Gzip(Box::new(MultiGzDecoder::new(bounded))),
            _ => {
                let encoding = encoding.chars().take(100).collect();
                return Err(RequestFailure::Encoding(encoding));
            }
        };
        Ok(Self {
            decoder,
            received: 0,
            limit,
        })
    }

    fn push(&mut self, chunk: &[u8]) -> Result<(), RequestFailure> {
        self.received += chunk.len() as u64;
        let written = match &mut self.decoder {
            Decoder::Identity(bounded) => bounded.write_all(chunk),
            Decoder::Gzip(decoder) => decoder.write_all(chunk),
        };
        if self.received > self.limit || self.bounded().is_exceeded {
            return Err(RequestFailure::TooLarge { limit: self.limit });
        }
        written.map_err(not_gzip)
    }

    fn finish(mut self) -> Result<Bytes, RequestFailure> {
        if let Decoder::Gzip(decoder) = &mut self.decoder {
            let finished = decoder.try_finish();
            if self.bounded().is_exceeded {
                return Err(RequestFailure::TooLarge { limit: self.limit });
            }
            finished.map_err(not_gzip)?;
        }
        Ok(self.into_bytes())
    }

    fn into_bytes(mut self) -> Bytes {
        let bounded = match &mut self.decoder {
            Decoder::Identity(bounded) => bounded,
            Decoder::Gzip(decoder) => decoder.get_mut(),
        };
        std::mem::take(&mut bounded.bytes).into()
    }

    fn bounded(&self) -> &Bounded {
        match &self.decoder {
            Decoder::Identity(bounded) => bounded,
            Decoder::Gzip(decoder) => decoder.get_ref(),
        }
    }
}

fn not_gzip(error: io::Error) -> RequestFailure {
    RequestFailure::Malformed(error.into())
}

/// A writer that stores at most `limit` bytes of a decompressed response body.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    is_exceeded: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.limit.saturating_sub(self.bytes.len());
        if bytes.len() > room {
            // The writer keeps the first `limit` bytes even if the response body is too large,
            // because an error message quotes them.
            self.bytes.extend_from_slice(&bytes[..room]);
            self.is_exceeded = true;
            return Err(io::Error::other("the limit is reached"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
