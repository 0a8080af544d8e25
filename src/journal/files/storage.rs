//! The journal's file as redb sees it: bounded in length, and counted.
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;

use super::disk::DiskFile;
use crate::journal::Metrics;
use crate::journal::space::Space;

/// The file, which does not grow beyond its limit. redb fails at the refused growth as at a full
/// disk, and has to be opened again; the file is made as long as it may be then (`space.rs`).
#[derive(Debug)]
pub(in crate::journal) struct Bounded {
    pub(in crate::journal) file: Arc<dyn DiskFile>,
    pub(in crate::journal) space: Space,
    pub(in crate::journal) metrics: Metrics,
}

impl StorageBackend for Bounded {
    fn len(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.file.length()? && !self.space.may_grow(len) {
            let words = "the journal would grow beyond journal.max_bytes: raise it";
            return Err(io::Error::new(io::ErrorKind::StorageFull, words));
        }
        self.file.set_length(len)?;
        self.space.has_length(len);
        self.metrics.length(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }
}

/// How much of the file one kept page of an [`Overlay`] holds.
const PAGE: u64 = 4096;

/// A file that is looked at and not changed: what redb writes while it opens stays in memory.
#[derive(Debug)]
pub(in crate::journal) struct Overlay {
    file: Arc<dyn DiskFile>,
    len: AtomicU64,
    pages: Mutex<BTreeMap<u64, Vec<u8>>>,
}

impl Overlay {
    pub(in crate::journal) fn new(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let len = AtomicU64::new(file.length()?);
        Ok(Self {
            file,
            len,
            pages: Mutex::default(),
        })
    }

    /// A page as the file has it; zeros beyond the file's end.
    fn page_of_file(&self, page: u64) -> io::Result<Vec<u8>> {
        let start = page * PAGE;
        let there = self.file.length()?.saturating_sub(start).min(PAGE);
        let mut bytes = vec![0; usize::try_from(PAGE).unwrap_or_default()];
        let there = usize::try_from(there).unwrap_or_default();
        if let Some(part) = bytes.get_mut(..there) {
            self.file.read(start, part)?;
        }
        Ok(bytes)
    }

    /// The parts of a range, page by page: page, where in it, and how many bytes.
    fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
        let mut at = offset;
        let end = offset.saturating_add(length as u64);
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let (page, within) = (at / PAGE, at % PAGE);
            let taken = (PAGE - within).min(end - at);
            at += taken;
            let within = usize::try_from(within).unwrap_or_default();
            Some((page, within, usize::try_from(taken).unwrap_or_default()))
        })
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len.load(Ordering::Acquire))
    }

    fn read(&self, offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        let end = offset.saturating_add(out.len() as u64);
        if end > self.len.load(Ordering::Acquire) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (page, within, length) in Self::parts(offset, out.len()) {
            let (part, rest) = std::mem::take(&mut out)
                .split_at_mut_checked(length)
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            out = rest;
            let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = pages
                .get(&page)
                .and_then(|it| it.get(within..within + length));
            if let Some(kept) = kept {
                part.copy_from_slice(kept);
            } else {
                let page = self.page_of_file(page)?;
                let there = page.get(within..within + length).unwrap_or_default();
                part.copy_from_slice(there);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.len.store(len, Ordering::Release);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, mut data: &[u8]) -> io::Result<()> {
        for (page, within, length) in Self::parts(offset, data.len()) {
            let (part, rest) = data.split_at_checked(length).unwrap_or((data, &[]));
            data = rest;
            let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = match pages.entry(page) {
                std::collections::btree_map::Entry::Occupied(kept) => kept.into_mut(),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(self.page_of_file(page)?)
                }
            };
            if let Some(to) = kept.get_mut(within..within + length) {
                to.copy_from_slice(part);
            }
        }
        Ok(())
    }
}
