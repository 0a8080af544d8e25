//! Work that blocks, done where it may.
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use crate::journal::files::disk::Disk;

/// Does `work` where it may block; `None` if it panics, as redb may on a damaged page.
pub(in crate::journal) async fn perform<T: Send + 'static>(
    disk: &dyn Disk,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = oneshot::channel();
    let working = disk.run(Box::new(move || {
        // Whoever waits has gone, or takes it.
        let _ = done.send(contained(work));
    }));
    working.await;
    result.await.ok().flatten()
}

/// Does `work`; `None` if it panics.
pub(in crate::journal) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
