//! Limits the time in which a client must read a response: the time between two reads, and the time
//! for the whole response. Also keeps a request in progress until the agent has sent its response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Buf, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_io_timeout::TimeoutStream;

use super::connection_limit::UnderWay;

/// The agent closes a connection if the client reads no part of a response for this time.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The agent closes a connection if the client has not read a whole response in this time. A client
/// that reads half a megabyte in a second reads the largest response that another agent accepts,
/// 56 MiB, in this time.
pub(super) const SEND_TIMEOUT: Duration = Duration::from_mins(2);

/// The byte stream of a client's connection. A write to the stream fails if the client has read
/// nothing for [`WRITE_TIMEOUT`], or not all since the last complete flush for [`SEND_TIMEOUT`].
pub(super) struct Stream {
    inner: Pin<Box<TimeoutStream<Box<dyn Duplex>>>>,
    /// The end of the time for the bytes that are being sent; `None` if the client has read all
    /// earlier bytes as fast as the agent wrote them.
    deadline: Option<Pin<Box<Sleep>>>,
}

pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Stream {
    pub(super) fn new(stream: impl Duplex + 'static) -> Self {
        let mut inner = TimeoutStream::new(Box::new(stream) as Box<dyn Duplex>);
        inner.set_write_timeout(Some(WRITE_TIMEOUT));
        Self {
            inner: Box::pin(inner),
            deadline: None,
        }
    }

    /// Returns the result of a write, or an error if the write has to wait although the time for
    /// the response has passed.
    fn limit<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            return written;
        }
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(SEND_TIMEOUT)));
        deadline.as_mut().poll(context).map(|()| {
            let problem = format!("the client did not read the response within {SEND_TIMEOUT:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, problem))
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.inner.as_mut().poll_write(context, buffer);
        self.limit(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.inner.as_mut().poll_write_vectored(context, buffers);
        self.limit(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// Hyper flushes the stream after it has written all bytes of its buffer, so a flush ends the
    /// time for the response.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.inner.as_mut().poll_flush(context);
        if flushed.is_ready() {
            self.deadline = None;
        }
        self.limit(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = self.inner.as_mut().poll_shutdown(context);
        self.limit(context, ended)
    }
}

/// The body of a response, which keeps its request in progress until its last byte was sent.
pub(super) struct SendingBody {
    body: axum::body::Body,
    under_way: Arc<UnderWay>,
}

/// A part of a [`SendingBody`].
pub(super) struct SendingPart {
    bytes: Bytes,
    #[expect(dead_code, reason = "held for its drop")]
    under_way: Arc<UnderWay>,
}

impl SendingBody {
    pub(super) fn new(body: axum::body::Body, under_way: UnderWay) -> Self {
        under_way.begin_response();
        Self {
            body,
            under_way: Arc::new(under_way),
        }
    }
}

impl Body for SendingBody {
    type Data = SendingPart;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<SendingPart>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        frame.map_ok(|frame| {
            frame.map_data(|bytes| SendingPart {
                bytes,
                under_way: Arc::clone(&self.under_way),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Buf for SendingPart {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}
