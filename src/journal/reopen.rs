//! How a journal that went down is opened anew while the process lives.
use super::Number;
use super::fault::StoreError;
use super::guard::Lost;
use super::handle::Files;
use super::key::KeyFile;
use super::mark::Mark;
use super::site::{Gone, Site};
use super::store::Store;
use super::tidy::{Goal, look};
use crate::telemetry::with_causes;

/// Why a journal is still down.
#[derive(Debug, thiserror::Error)]
pub(super) enum Down {
    /// Its files do not stand where they stood, and somebody else has to bring them back.
    #[error("{0}")]
    Lost(Lost),
    /// Anything else, in words.
    #[error("{0}")]
    Failed(String),
}

impl From<&str> for Down {
    fn from(words: &str) -> Self {
        Self::Failed(words.to_owned())
    }
}

/// Every other error has its words and its causes.
fn failed(error: impl std::error::Error + 'static) -> Down {
    Down::Failed(with_causes(&error))
}

/// Opens the file anew, in the place of the one that is open. Blocks.
///
/// The open files are not let go before all of them stand where they stood: what has no name any more
/// can be read out of them only. And no file is taken that has less than this process knows of.
pub(super) fn reopen(files: &mut Files, site: &Site) -> Result<(), Down> {
    if let Some(store) = &files.store {
        files.commits = store.commits();
    }
    let key = files.key.as_ref().ok_or("it is closed")?;
    // First of all: what it tells holds for this process and, should it be killed, for the next one.
    Mark::tell(&*site.disk, &site.path, key, files.commits).map_err(failed)?;
    mend(files, site)?;
    // The old one goes first: it would write to the file that the new one has.
    files.store = None;
    let key = files.key.as_ref().ok_or("it is closed")?;
    let store = site.open(key, Gone::Fail).map_err(failed)?;
    if site.room.was_refused() {
        make_room(&store).map_err(failed)?;
    }
    store.checkpoint().map_err(failed)?;
    store.measure().map_err(failed)?;
    files.store = Some(store);
    Ok(())
}

/// The file may not grow, so something has to go before anything is written.
fn make_room(store: &Store) -> Result<(), StoreError> {
    let found = look(store, Goal::Room, Number(0))?;
    store.forget(&found.removals)
}

/// Brings the names back of files that are only open here.
fn mend(files: &mut Files, site: &Site) -> Result<(), Down> {
    let guard = files.store.as_ref().and_then(|store| store.guard.as_ref());
    let lost = guard.and_then(|guard| Some((guard, guard.look_beside_mark()?)));
    let Some((guard, lost)) = lost else {
        return Ok(());
    };
    if !lost.can_be_mended() {
        return Err(Down::Lost(lost));
    }
    guard
        .write_again(&*site.disk, &lost)
        .map_err(Down::Failed)?;
    if files.key.as_ref().is_some_and(|key| lost.has(key.path())) {
        let key = KeyFile::open_existing(&*site.disk, &site.path).map_err(failed)?;
        files.key = Some(key);
    }
    tracing::warn!(
        "the journal is written again out of what is open: find out what removes its files"
    );
    Ok(())
}
