//! The socket below hyper: a thin type that counts what passes, remembers what broke, and stays
//! alive for as long as an answer is watched.
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use nix::sys::socket::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::evidence::{self, Evidence, Progress, Unread};
use super::metrics::Why;
use super::receipt::Receipt;
use super::scrutiny::Part;
use super::server::Terms;
use super::tls::{self, Failure};
use super::watch::{Overdue, Verdict, Watch};
use crate::timing::Moment;

/// One connection's socket with all that is known of it. hyper and the connection's task share it.
pub(super) struct Line {
    stream: TcpStream,
    peer: SocketAddr,
    terms: Arc<Terms>,
    watch: Mutex<Watch>,
}

/// The socket as hyper (or a TLS session below it) reads and writes it.
pub(super) struct Wire(Arc<Line>);

/// What hyper speaks on: the socket itself, or a TLS session above it.
pub(super) trait Speech: AsyncRead + AsyncWrite + Unpin {
    /// The last bytes of our side, for [`Line::finish`] to write in their time; none where the
    /// socket's own end says it all. Nothing is written after it.
    fn goodbye(&mut self) -> Vec<u8>;
}

impl Speech for Wire {
    fn goodbye(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

impl Line {
    /// Begins to watch a fresh socket.
    pub(super) fn open(stream: TcpStream, peer: SocketAddr, terms: Arc<Terms>) -> Arc<Self> {
        let watch = Watch::new(terms.evidence, terms.clock.now(), &terms.config);
        Arc::new(Self {
            stream,
            peer,
            terms,
            watch: Mutex::new(watch),
        })
    }

    /// The socket for hyper.
    pub(super) fn wire(self: &Arc<Self>) -> Wire {
        Wire(Arc::clone(self))
    }

    /// The client's address.
    pub(super) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        self.terms.clock.now()
    }

    fn progress(&self) -> Option<Progress> {
        match self.terms.evidence {
            Evidence::Acknowledgement => evidence::progress(&self.stream),
            Evidence::Portable => None,
        }
    }

    /// Returns when the kernel tells of a reset or gives the peer up.
    pub(super) async fn broken(&self) {
        // Of an error of readiness nothing more can be known than that the socket has failed.
        let _ = self.stream.ready(Interest::ERROR).await;
        self.breaks();
    }

    /// True once the client has ended its side, or the connection broke.
    pub(super) fn has_ended(&self) -> bool {
        evidence::has_ended(&self.stream).unwrap_or_else(|| self.unread() == Unread::End)
    }

    /// A request's fields are whole; settles the answers that it proves.
    pub(super) fn request_came(&self) {
        let asked = self.watch().awaits_acknowledgement();
        let progress = asked.then(|| self.progress()).flatten();
        let proven = self.watch().request_came(progress);
        for receipt in proven {
            receipt.settle(true);
        }
    }

    /// An answer's last bytes are in hyper's buffer.
    pub(super) fn answer_buffered(&self, receipt: Option<Receipt>) {
        let now = self.now();
        // Before the answer leaves: a quick reader's next request is there before the write returns.
        let before = receipt.as_ref().and_then(|_| self.progress());
        let before = before.map(|progress| progress.received);
        self.watch()
            .answer_buffered(receipt, before, now, &self.terms.config);
    }

    /// An answer's body failed half-way. Where only the connection's end delimits it (HTTP/1.0) a
    /// FIN would make it look whole, so the connection is reset (RFC 9112 §8).
    pub(super) fn answer_broke(&self, receipt: Option<Receipt>) {
        self.reset_on_close();
        if let Some(receipt) = receipt {
            self.missed(receipt, Why::Cut);
        }
    }

    /// Makes the socket's close a reset, which also frees what the client never took.
    pub(super) fn reset_on_close(&self) {
        self.breaks();
        // Without it the close is a FIN, and the framing tells of the cut.
        let _ = self.stream.set_zero_linger();
    }

    /// Notes that hyper is gone, and with it what it had not flushed.
    pub(super) fn serves_no_more(&self) {
        let cut = self.watch().serves_no_more();
        for receipt in cut {
            self.missed(receipt, Why::Cut);
        }
    }

    /// True while a goodbye has to wait.
    pub(super) fn holds_goodbye(&self) -> bool {
        self.watch().holds_goodbye()
    }

    /// True while a FIN of ours would keep the client's kernel from telling that it gave up.
    pub(super) fn fin_hides_resets(&self) -> bool {
        self.watch().is_half_closed()
    }

    /// Ends our side once hyper is gone: with its goodbye and a FIN, unless the connection is
    /// broken.
    pub(super) fn finish(&self, goodbye: &[u8]) {
        if !goodbye.is_empty() {
            self.note_reset();
            // Where the kernel has no room, what comes before it is not whole either.
            let written = self.stream.try_write(goodbye).unwrap_or_default();
            self.watch().parted(written);
        }
        if !self.is_broken() {
            self.shut();
        }
    }

    /// The reset may be in the kernel and not yet told. Whoever asks first clears it, so what was
    /// noted before stays noted.
    fn note_reset(&self) {
        if !matches!(self.stream.take_error(), Ok(None)) {
            self.breaks();
        }
    }

    /// Notes that the connection is broken, and whether anybody heard a goodbye before.
    fn breaks(&self) {
        let has_parted = self.watch().has_parted();
        let progress = has_parted.then(|| self.progress()).flatten();
        self.watch().broke(progress);
    }

    /// Waits for the client's first byte, which stays where it is; `None` if it ended before.
    pub(super) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let count = self.stream.peek(&mut byte).await?;
        Ok(byte.first().copied().filter(|_| count > 0))
    }

    /// True if the client is about to ask, as far as can be told: it has come for its first request, a
    /// part of the next one's head was read, or the next one waits in the kernel.
    pub(super) fn is_about_to_ask(&self, part: Part) -> bool {
        let watch = self.watch();
        match part {
            Part::Done => {
                watch.awaits_first_request()
                    || watch.awaits_request()
                        && matches!(evidence::unread(&self.stream), Ok(Unread::Bytes))
            }
            Part::Head => !watch.is_serving(),
            Part::Body => false,
        }
    }

    /// Hands are shaken: the client's first request may come.
    pub(super) fn begin(&self) {
        let now = self.now();
        self.watch().begin(now, &self.terms.config);
    }

    /// Writes to a client that is not served, and ends our side.
    pub(super) async fn tell(&self, words: &[u8]) {
        if self.stream.writable().await.is_ok() {
            let _ = self.stream.try_write(words);
        }
        self.shut();
    }

    /// Tells TLS that comes to a listener without it, by the first bytes of the connection. hyper
    /// answers it as it does whatever is no HTTP: with a bare 400, which clients know for clear text.
    fn note_unawaited_tls(&self, read: &[u8]) {
        if self.terms.tls.is_none()
            && matches!(read, [tls::HANDSHAKE, 3, ..])
            && self.watch().has_read_only(read.len())
        {
            self.fails(Failure::TlsOnPlain);
        }
    }

    /// Counts and tells that the client speaks something else than this listener does.
    pub(super) fn fails(&self, failure: Failure) {
        self.terms.fails(failure, None, self.peer);
    }

    fn shut(&self) {
        // A client that is gone already has no use for a FIN.
        let _ = shutdown(self.stream.as_raw_fd(), Shutdown::Write);
    }

    /// Settles every answer whose verdict is known by now.
    pub(super) fn settle(&self, stopped: bool) {
        let now = self.now();
        let mut watch = self.watch();
        if !watch.is_watching() {
            return;
        }
        if watch.wants_progress(now)
            && let Some(progress) = self.progress()
        {
            watch.progressed(now, progress, &self.terms.config);
        }
        let may_decide = watch.is_quiet_over(now, stopped);
        drop(watch);
        if may_decide {
            self.note_reset();
        }
        self.settle_decided(stopped);
    }

    fn settle_decided(&self, stopped: bool) {
        let now = self.now();
        loop {
            // The lock is not held while a receipt is told.
            let decided = self.watch().decided(now, stopped, &self.terms.config);
            match decided {
                Some((receipt, Verdict::Delivered)) => receipt.settle(true),
                Some((receipt, Verdict::Missed(why))) => self.missed(receipt, why),
                None => return,
            }
        }
    }

    /// Settles what is left when the connection ends.
    pub(super) fn abandon(&self, why: Why) {
        if self.watch().was_goodbye_unheard() {
            self.settle_decided(false);
        }
        let abandoned = self.watch().abandoned();
        for receipt in abandoned {
            self.missed(receipt, why);
        }
    }

    fn missed(&self, receipt: Receipt, why: Why) {
        self.terms.metrics.not_acknowledged(why);
        receipt.settle(false);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.watch().is_broken()
    }

    /// True while the kernel has no room for what hyper has to write.
    pub(super) fn is_stalled(&self) -> bool {
        self.watch().is_stalled()
    }

    /// True while time alone may decide an answer, with no further word of the client.
    pub(super) fn may_still_tell(&self) -> bool {
        self.terms.evidence == Evidence::Acknowledgement && self.is_watching()
    }

    fn is_watching(&self) -> bool {
        self.watch().is_watching()
    }

    pub(super) fn overdue(&self, now: Moment) -> Option<Overdue> {
        self.watch().overdue(now, &self.terms.config)
    }

    pub(super) fn wake(&self) -> Option<Moment> {
        self.watch().wake(&self.terms.config)
    }

    /// Reads and throws away what the client still sends, until its end: a socket that is closed
    /// over unread bytes is reset, and the reset takes the answer with it (RFC 9112 §9.6).
    pub(super) fn poll_discard(&self, context: &mut Context<'_>) -> Poll<()> {
        const AT_ONCE: usize = 4096;
        let mut rest = [MaybeUninit::uninit(); AT_ONCE];
        let mut discard = |stream: &TcpStream| stream.try_read_buf(&mut rest.as_mut_slice());
        while self.watch().is_open() {
            let read = ready!(self.poll_read(context, AT_ONCE, &mut discard));
            if read.is_err() {
                break;
            }
        }
        Poll::Ready(())
    }

    fn flushed(&self) {
        if !self.watch().awaits_flush() {
            return;
        }
        let progress = self.progress();
        let unread = match progress {
            Some(_) => Unread::Nothing,
            None => self.unread(),
        };
        let now = self.now();
        let mut watch = self.watch();
        watch.flushed(now, progress, unread);
        if let Some(progress) = progress {
            watch.progressed(now, progress, &self.terms.config);
        }
    }

    /// What waits unread; asked only where the kernel does not count for us.
    fn unread(&self) -> Unread {
        evidence::unread(&self.stream).unwrap_or_else(|_| {
            self.breaks();
            Unread::End
        })
    }

    fn poll_read(
        &self,
        context: &mut Context<'_>,
        room: usize,
        mut read: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let read = loop {
            let ready = ready!(self.stream.poll_read_ready(context));
            match ready.and_then(|()| self.read_once(room, &mut read)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => break result,
            }
        };
        match &read {
            Ok(count) => {
                let now = self.now();
                self.watch().was_read(*count, now, &self.terms.config);
            }
            Err(_) => self.breaks(),
        }
        Poll::Ready(read)
    }

    /// Reads once. What leaves room has taken all there was: the kernel is not asked again before it
    /// tells of more (epoll(7), questions and answers 9).
    fn read_once(
        &self,
        room: usize,
        read: impl FnOnce(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut count = 0;
        let read = self.stream.try_io(Interest::READABLE, || {
            count = read(&self.stream)?;
            if (1..room).contains(&count) {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(())
            }
        });
        if count > 0 {
            Ok(count)
        } else {
            read.map(|()| 0)
        }
    }

    fn poll_write(
        &self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let written = loop {
            let Poll::Ready(ready) = self.stream.poll_write_ready(context) else {
                break Poll::Pending;
            };
            match ready.and_then(|()| write(&self.stream)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => break Poll::Ready(result),
            }
        };
        match &written {
            Poll::Ready(Ok(count)) => self.watch().was_written(*count),
            Poll::Ready(Err(_)) => self.breaks(),
            Poll::Pending => self.watch().write_stalled(self.now()),
        }
        written
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let read = self
            .0
            .poll_read(context, room, |stream| stream.try_read_buf(buffer));
        self.0
            .note_unawaited_tls(buffer.filled().get(before..).unwrap_or_default());
        read.map_ok(drop)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0
            .poll_write(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.flushed();
        Poll::Ready(Ok(()))
    }

    /// hyper is done. Our FIN has its own time: [`Line::finish`].
    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
