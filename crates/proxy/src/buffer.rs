//! Buffers between sockets and sessions. Both are empty, and hold no memory, while nothing is in
//! flight.

use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use wire::backend;
use wire::frame::{HEAD_BYTES, Head};

use crate::error::ProxyError;
use crate::stream::Stream;

/// A first read of this size takes what most clients have to say.
const SMALL_READ_BYTES: usize = 8 * 1024;
/// What most of what is said at once fits into. The allocator gives blocks of up to a kilobyte out
/// of a list of the thread's own.
const USUAL_BYTES: usize = 1000;
/// A peer that fills a small read has more to say.
const LARGE_READ_BYTES: usize = 64 * 1024;
/// Who is written so much at once is likely to be written more.
const BULK_BYTES: usize = 16 * 1024;
/// The other side is not read from while this much waits for a slow peer.
pub(crate) const HIGH_WATER_BYTES: usize = 256 * 1024;

/// Bytes read and not yet used.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    /// How many of these are used.
    used: usize,
    filled_last: bool,
    /// Whether memory for what is usual is kept while nothing is in flight.
    keeps: bool,
    /// Nothing was there when it was read from last.
    was_silent: bool,
}

impl ReadBuffer {
    /// The same buffer, of a server connection: there are few of them, and each is used all the time.
    pub(crate) fn keeping(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// Whether memory for what is usual is kept from now on.
    pub(crate) fn keep(&mut self, keeps: bool) {
        self.keeps = keeps;
        if !keeps && self.bytes.is_empty() && !self.filled_last {
            self.bytes = Vec::new();
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.split_off(self.used)
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    /// Drops used bytes; gives the memory back when none are left, unless the last read was full or
    /// what is usual is kept.
    pub(crate) fn consume(&mut self, count: usize) {
        self.used = self.bytes.len().min(self.used + count);
        if self.used == self.bytes.len() {
            self.used = 0;
            if self.filled_last || (self.keeps && self.bytes.capacity() <= USUAL_BYTES) {
                // There is more to come, or always soon.
                self.bytes.clear();
            } else {
                self.bytes = Vec::new();
            }
        }
    }

    /// Reads once; 0 is the end. Cancel-safe.
    pub(crate) fn poll_fill(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if !self.filled_last {
            return self.poll_small(stream, cx);
        }
        self.was_silent = false;
        self.drop_used();
        self.bytes.reserve(LARGE_READ_BYTES);
        let room = self.bytes.capacity() - self.bytes.len();
        let result = pin!(stream.read_buf(&mut self.bytes)).poll(cx);
        match result {
            Poll::Ready(Ok(count)) => self.filled_last = count == room,
            Poll::Pending if self.bytes.is_empty() => self.bytes = Vec::new(),
            _ => {}
        }
        result
    }

    /// What is used must not pile up in front of a message that is long in coming. What is moved is no
    /// longer than what is dropped.
    fn drop_used(&mut self) {
        if self.used >= self.bytes.len() - self.used {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
    }

    /// Reads onto the stack, and takes no more memory than what is there needs: a peer that has
    /// nothing to say costs none, and most messages are small.
    fn poll_small(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut stack = [const { MaybeUninit::<u8>::uninit() }; SMALL_READ_BYTES];
        // Only once: who has always more to say is read from with tokio's budget.
        if std::mem::take(&mut self.was_silent)
            && let Some(read) = stream.attempt_read(&mut stack)
        {
            return Poll::Ready(read.map(|read| self.take(read)));
        }
        let mut read = ReadBuf::uninit(&mut stack);
        match Pin::new(stream).poll_read(cx, &mut read) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(self.take(read.filled()))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // Each time it must be asked to wake the task: it may have taken the waker already, for what was
            // read since.
            Poll::Pending => {
                self.was_silent = true;
                Poll::Pending
            }
        }
    }

    fn take(&mut self, read: &[u8]) -> usize {
        self.filled_last = read.len() == SMALL_READ_BYTES;
        if self.bytes.capacity() == 0 {
            self.bytes = read.to_vec();
        } else {
            self.drop_used();
            self.bytes.extend_from_slice(read);
        }
        read.len()
    }

    /// Reads until at least `need` bytes are there.
    ///
    /// # Errors
    /// When the peer closes or the socket fails. Cancel-safe: what was read stays.
    pub(crate) async fn fill_to(&mut self, stream: &mut Stream, need: usize) -> io::Result<()> {
        while self.len() < need {
            let count = std::future::poll_fn(|cx| self.poll_fill(stream, cx)).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

/// Messages of a server, one by one, where no client waits for them.
impl ReadBuffer {
    /// Waits for a message's head, and leaves it where it is. Cancel-safe.
    pub(crate) async fn server_head(&mut self, stream: &mut Stream) -> Result<Head, ProxyError> {
        self.fill_to(stream, HEAD_BYTES).await?;
        Head::from_server(self.bytes())?.ok_or(ProxyError::Closed)
    }

    /// Takes the message's head and the first `front` bytes of its body off. Cancel-safe: what was
    /// read stays.
    pub(crate) async fn take_body(
        &mut self,
        stream: &mut Stream,
        head: Head,
        front: usize,
    ) -> Result<Vec<u8>, ProxyError> {
        let end = HEAD_BYTES + head.body.min(front);
        self.fill_to(stream, end).await?;
        let body = self.bytes()[HEAD_BYTES..end].to_vec();
        self.consume(end);
        Ok(body)
    }
}

/// Bytes to be written. None are pending once the socket has them all.
#[derive(Debug, Default)]
pub(crate) struct WriteBuffer {
    pub(crate) bytes: Vec<u8>,
    written: usize,
    /// TLS may have taken bytes that its socket did not take yet.
    is_unflushed: bool,
}

impl WriteBuffer {
    pub(crate) fn pending(&self) -> usize {
        self.bytes.len() - self.written + usize::from(self.is_unflushed)
    }

    /// Whether there is something that no part of was written yet.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.bytes.is_empty() && self.written == 0 && !self.is_unflushed
    }

    /// Whether what is to be written ends with ReadyForQuery, as far as its last bytes tell.
    pub(crate) fn ends_request(&self) -> bool {
        const HEAD: [u8; HEAD_BYTES] = [backend::READY_FOR_QUERY, 0, 0, 0, 5];
        self.bytes
            .len()
            .checked_sub(HEAD.len() + 1)
            .is_some_and(|at| self.bytes[at..].starts_with(&HEAD))
    }

    /// Nothing more is to be written for now: gives the memory back.
    pub(crate) fn rest(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Uses this memory, if it has none.
    pub(crate) fn borrow(&mut self, lent: &mut Vec<u8>) {
        if self.bytes.capacity() == 0 {
            self.bytes = std::mem::take(lent);
        }
    }

    /// As [`Self::rest`]; memory for what is usual goes to who has lent it.
    pub(crate) fn give_back(&mut self, lender: &mut Vec<u8>) {
        if self.bytes.is_empty() {
            let lent = std::mem::take(&mut self.bytes);
            if lent.capacity() <= USUAL_BYTES {
                *lender = lent;
            }
        }
    }

    /// Where to add bytes, with room for what is usual. [`Self::rest`] gives it back.
    pub(crate) fn room(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(USUAL_BYTES);
        }
        &mut self.bytes
    }

    /// Writes what it can; ready when nothing is left. Cancel-safe.
    #[inline]
    pub(crate) fn poll_flush(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        // Most often there is nothing to do, and no memory to give back.
        if self.pending() == 0 && self.bytes.capacity() <= USUAL_BYTES {
            return Poll::Ready(Ok(()));
        }
        self.poll_flush_all(stream, cx)
    }

    fn poll_flush_all(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.written < self.bytes.len() {
            let rest = &self.bytes[self.written..];
            let wrote = match stream.attempt_write(rest) {
                Some(wrote) => Poll::Ready(wrote),
                None => Pin::new(&mut *stream).poll_write(cx, rest),
            };
            match wrote {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    self.written += count;
                    self.is_unflushed = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.drop_written();
                    return Poll::Pending;
                }
            }
        }
        // What is usual is kept, since more is to come or [`Self::rest`] follows; and so is much.
        if self.bytes.capacity() <= USUAL_BYTES || self.bytes.len() >= BULK_BYTES {
            self.bytes.clear();
        } else {
            self.bytes = Vec::new();
        }
        self.written = 0;
        if self.is_unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// A peer that is always a little behind never takes all: what it took must not pile up. What
    /// is moved is no longer than what is dropped.
    fn drop_written(&mut self) {
        if self.written >= self.bytes.len() - self.written {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// Writes all. Cancel-safe.
    pub(crate) async fn flush(&mut self, stream: &mut Stream) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_flush(stream, cx)).await
    }
}

#[cfg(test)]
mod tests;
