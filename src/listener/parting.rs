//! The end of a connection: the goodbye in its time, and patience until what was said last is known to
//! have arrived.
use std::future::{Future, poll_fn};
use std::task::{Poll, ready};
use std::time::Duration;

use super::attendant::{Attendant, Notice};
use super::line::Line;
use super::metrics::Why;

/// How long a client may go on sending after our FIN, so that its last bytes do not turn the close
/// into a reset (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(1);

/// Says last words to a client that is not served, and lets it take them for [`LINGER`].
pub(super) async fn dismiss(line: &Line, words: &[u8]) {
    let clock = line.terms().clock;
    let taken = async {
        line.tell(words).await;
        poll_fn(|context| line.poll_discard(context)).await;
    };
    tokio::select! {
        () = taken => {}
        () = clock.sleep_until(clock.now() + LINGER) => {}
    }
}

impl<B: Future<Output = ()>> Attendant<'_, '_, B> {
    /// Parts from the client once hyper is gone. Says why what is left then stays undecided.
    pub(super) async fn part(&mut self, goodbye: &[u8]) -> Why {
        self.line.serves_no_more();
        let decides = !goodbye.is_empty() || self.line.fin_hides_resets();
        if decides && let Some(why) = self.hold_goodbye().await {
            return why;
        }
        self.line.finish(goodbye);
        self.linger().await
    }

    /// Waits until it is time for the goodbye; some if it will never be.
    async fn hold_goodbye(&mut self) -> Option<Why> {
        let terms = self.line.terms();
        let mut until = None;
        poll_fn(|context| {
            loop {
                // Its end and its reset are looked out for, and what it says is of no use.
                let _ = self.line.poll_discard(context);
                let held = self.line.holds_goodbye();
                let pause = || Some(terms.clock.now() + terms.config.goodbye);
                until = if held { None } else { until.or_else(pause) };
                let notice = match self.poll(context, until) {
                    Poll::Ready(notice) => notice,
                    Poll::Pending if self.line.holds_goodbye() == held => return Poll::Pending,
                    Poll::Pending => continue,
                };
                return Poll::Ready(match notice {
                    Notice::Parting => continue,
                    Notice::Elapsed => None,
                    Notice::Broken => Some(Why::Reset),
                    Notice::Overdue(_) => Some(Why::Deadline),
                    Notice::Stopped => Some(Why::Stopped),
                });
            }
        })
        .await
    }

    /// Reads on until the client's own end or for [`LINGER`], and until no answer is watched any
    /// more.
    async fn linger(&mut self) -> Why {
        let mut until = Some(self.line.terms().clock.now() + LINGER);
        poll_fn(|context| {
            loop {
                let silent = self.line.poll_discard(context).is_ready();
                let notice = self.poll(context, until);
                if (silent || until.is_none()) && !self.line.may_still_tell() {
                    return Poll::Ready(Why::Unproven);
                }
                match ready!(notice) {
                    Notice::Parting => {}
                    Notice::Elapsed => until = None,
                    Notice::Broken => return Poll::Ready(Why::Reset),
                    Notice::Overdue(_) => return Poll::Ready(Why::Deadline),
                    Notice::Stopped => return Poll::Ready(Why::Stopped),
                }
            }
        })
        .await
    }
}
