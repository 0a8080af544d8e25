//! How a journal that went down is opened anew while the process lives.
use crate::journal::Number;
use crate::journal::fault::StoreError;
use crate::journal::files::guard::Lost;
use crate::journal::files::mark::Mark;
use crate::journal::files::site::{Gone, Site};
use crate::journal::handle::Files;
use crate::journal::keeping::store::Store;
use crate::journal::keeping::tidy::{Goal, look};
use crate::telemetry::with_causes;

/// Why a journal is still down.
#[derive(Debug, thiserror::Error)]
pub(in crate::journal) enum Down {
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
pub(in crate::journal) fn reopen(
    files: &mut Files,
    site: &Site,
    may_forget: bool,
) -> Result<(), Down> {
    if let Some(store) = &files.store {
        store.check_alone().map_err(failed)?;
        files.commits = store.commits();
    }
    let key = files.key.as_ref().ok_or("it is closed")?;
    // First of all: what it tells holds for this process and, should it be killed, for the next one.
    Mark::tell(site, key, files.commits).map_err(failed)?;
    mend(files, site)?;
    // The old one goes first: it would write to the file that the new one has.
    files.store = None;
    // Counting all its pages takes seconds on a large file, so the writer does it beside the commits. Where
    // that came to nothing the file is not up before they could be read.
    let is_uncounted = site.space.is_unsure();
    let key = files.key.as_ref().ok_or("it is closed")?;
    let store = site.open(key, Gone::Fail).map_err(failed)?;
    // The mark told so too, unless it cannot be written.
    if store.commits() < files.commits {
        return Err("it lacks commits that this process made: bring its right files back".into());
    }
    if site.space.was_refused() && may_forget {
        make_room(&store).map_err(failed)?;
    }
    store.checkpoint().map_err(failed)?;
    if is_uncounted {
        store.measure().map_err(failed)?;
    }
    files.store = Some(store);
    Ok(())
}

/// The file may not grow, so something has to go before anything is written.
fn make_room(store: &Store) -> Result<(), StoreError> {
    let mut next = Some(Number(0));
    while let Some(from) = next {
        let found = look(store, &Goal::Space, from)?;
        if !found.removals.is_empty() {
            return store.forget(&found.removals);
        }
        next = found.next;
    }
    Ok(())
}

/// Brings the names back of files that are only open here.
fn mend(files: &mut Files, site: &Site) -> Result<(), Down> {
    let Files { key, store, .. } = files;
    let guard = store.as_mut().and_then(|store| store.guard.as_mut());
    let lost = guard.and_then(|guard| guard.look_beside_mark().map(|lost| (guard, lost)));
    let Some((guard, lost)) = lost else {
        return Ok(());
    };
    if !lost.can_be_mended() {
        return Err(Down::Lost(lost));
    }
    // The key first: nothing of the rest is read without it.
    if let Some(key) = key.as_mut().filter(|key| lost.has(key.path())) {
        *key = key.write_again(&*site.disk).map_err(failed)?;
        guard.takes_key(key.content());
        site.disk.sync_directory(key.path()).map_err(failed)?;
    }
    guard
        .write_again(&*site.disk, &lost)
        .map_err(Down::Failed)?;
    tracing::warn!(
        "the journal is written again out of what is open: find out what removes its files"
    );
    Ok(())
}
