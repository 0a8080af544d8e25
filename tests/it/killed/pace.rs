//! How slow the machine is: what the judges allow for on top of every span.
use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use holdline::timing::Clock;
use tempfile::NamedTempFile;

use crate::stage::bench::ms;

/// The time between two looks.
const BEAT: Duration = ms(10);
/// Every so many looks the disk is looked at too: it is asked to make a line durable.
const DISK: u32 = 10;

/// The longest time by which the machine has been late so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Rc<Cell<Duration>>);

impl Pace {
    pub(super) fn slowest(&self) -> Duration {
        self.0.get()
    }

    fn note(&self, span: Duration) {
        self.0.set(self.0.get().max(span));
    }

    /// Looks for as long as something else takes.
    pub(super) async fn beside<T>(&self, clock: Clock, other: impl Future<Output = T>) -> T {
        tokio::select! {
            done = other => done,
            () = self.watch(clock) => unreachable!("it looks for ever"),
        }
    }

    async fn watch(&self, clock: Clock) {
        let file = NamedTempFile::new().unwrap();
        for beat in 0_u32.. {
            let due = clock.now() + BEAT;
            clock.sleep_until(due).await;
            self.note(clock.now().since(due));
            if beat % DISK == 0 {
                let begun = clock.now();
                let file = file.reopen().unwrap();
                let written = tokio::task::spawn_blocking(|| make_durable(file));
                written.await.unwrap();
                self.note(clock.now().since(begun));
            }
        }
    }
}

fn make_durable(mut file: File) {
    file.write_all(b"a line\n").unwrap();
    file.sync_data().unwrap();
}
