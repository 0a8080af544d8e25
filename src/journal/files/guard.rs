//! Whether the files of a journal still have their names, and how they get them back.
//!
//! A file that is removed while it is open takes what is written all the same, and is gone when the
//! process ends. The next one would begin an empty journal, and send the repeats of what it does not
//! know. So the writer looks about once a second, and falls where a name is not its file's any more:
//!
//! | the name | what is done |
//! | --- | --- |
//! | nothing has it, and the file has no other | Nobody else can bring the file back: it is written again out of the open one. |
//! | nothing has it, and the file has another | It was moved, and is awaited. A copy would make two of it, of which one is older. |
//! | another file has it | That one is not touched, and is not taken for ours. |
//!
//! What fails is tried again, for as long as the files are open. Once they are closed, and the disk does not
//! open them anew, a file that is removed is awaited like one that was moved.
//!
//! The key file is read as well, since whoever writes over it, or cuts it, leaves it its name. Where no
//! key is in it any more it is written again, out of this process, which alone still has the key.
//! Where another key is in it, the right one is awaited.
//!
//! The mark is a count that this process knows, so it is told anew at its name before anything else.
//! A process that is killed meanwhile leaves a mark that tells of more than there is, and the next start
//! refuses.
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile, Named, fresh};
use super::key::{Holds, KeyContent};

/// How much of a file is copied at a time.
const PIECE: usize = 256 * 1024;

/// Files of a journal that do not stand where they stood, and how that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::journal) struct Lost(Vec<(PathBuf, Absence)>);

/// How a file does not stand where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Absence {
    /// It has no name any more.
    Removed,
    /// It has another name.
    Moved,
    /// Another file has its name.
    Taken,
    /// It is the key file, and holds no key any more.
    Emptied,
    /// It is the key file, and holds another key.
    Overwritten,
    /// The system does not tell, in its words.
    Unseen(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (path, absence)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let path = path.display();
            f.write_str(separator)?;
            match absence {
                Absence::Removed => write!(f, "{path} was removed"),
                Absence::Moved => write!(f, "{path} was moved away: move that file back"),
                Absence::Taken => write!(
                    f,
                    "another file stands at {path}: move it away, and the one that stood there back"
                ),
                Absence::Emptied => write!(f, "{path} holds no key any more"),
                Absence::Overwritten => write!(
                    f,
                    "the key of another journal was written to {path}: write the one back that it held, \
                     or remove the file"
                ),
                Absence::Unseen(why) => write!(f, "failed to look for {path} ({why})"),
            }?;
        }
        Ok(())
    }
}

impl Lost {
    /// True if this process has all that is needed to bring the files back.
    pub(in crate::journal) fn can_be_mended(&self) -> bool {
        self.0.iter().all(|(_, it)| match it {
            Absence::Removed | Absence::Emptied => true,
            Absence::Moved | Absence::Taken | Absence::Overwritten | Absence::Unseen(_) => false,
        })
    }

    /// Whether one of them is at this path.
    pub(in crate::journal) fn has(&self, path: &Path) -> bool {
        self.0.iter().any(|(it, _)| it == path)
    }
}

/// The open files of a journal by their names.
#[derive(Debug)]
pub(in crate::journal) struct Guard {
    key: KeyContent,
    /// In the order in which they are written again, behind the key: a start refuses whatever stands
    /// without the next.
    files: [(PathBuf, Arc<dyn DiskFile>); 2],
    mark: (PathBuf, Arc<dyn DiskFile>),
}

impl Guard {
    /// Of the key, of the log and the journal, in this order, and of the mark.
    pub(in crate::journal) const fn new(
        key: KeyContent,
        files: [(PathBuf, Arc<dyn DiskFile>); 2],
        mark: (PathBuf, Arc<dyn DiskFile>),
    ) -> Self {
        Self { key, files, mark }
    }

    /// The files that do not stand where they stood; none if all do.
    pub(in crate::journal) fn look(&self) -> Option<Lost> {
        self.lost(self.files.iter().chain([&self.mark]))
    }

    /// The files, without the mark, that do not stand where they stood; none if all do.
    pub(in crate::journal) fn look_beside_mark(&self) -> Option<Lost> {
        self.lost(self.files.iter())
    }

    fn lost<'a>(
        &self,
        files: impl Iterator<Item = &'a (PathBuf, Arc<dyn DiskFile>)>,
    ) -> Option<Lost> {
        let key = absence(&*self.key.file, &self.key.path).or_else(|| self.spoilt_key());
        let key = key.map(|absence| (self.key.path.clone(), absence));
        let others = files.filter_map(|(path, file)| Some((path.clone(), absence(&**file, path)?)));
        let lost: Vec<_> = key.into_iter().chain(others).collect();
        (!lost.is_empty()).then_some(Lost(lost))
    }

    fn spoilt_key(&self) -> Option<Absence> {
        match self.key.look() {
            Ok(Holds::Key) => None,
            Ok(Holds::Nothing) => Some(Absence::Emptied),
            Ok(Holds::AnotherKey) => Some(Absence::Overwritten),
            Err(error) => Some(Absence::Unseen(error.to_string())),
        }
    }

    /// The key was written again, into another file.
    pub(in crate::journal) fn takes_key(&mut self, key: KeyContent) {
        self.key = key;
    }

    /// Writes the files that have no name any more under the names that they had, but for the key.
    /// What has its name again is the file that is looked for from then on, whatever else fails.
    pub(in crate::journal) fn write_again(
        &mut self,
        disk: &dyn Disk,
        lost: &Lost,
    ) -> Result<(), String> {
        let gone = self.files.iter_mut().filter(|(path, _)| lost.has(path));
        for (path, file) in gone {
            let copied = copy(disk, path, &**file).and_then(|copy| {
                *file = copy;
                disk.sync_directory(path)
            });
            copied.map_err(|error| {
                let path = path.display();
                format!("{path} was removed, and it cannot be written again: {error}")
            })?;
        }
        Ok(())
    }
}

fn absence(file: &dyn DiskFile, path: &Path) -> Option<Absence> {
    match file.named(path) {
        Ok(Named::Still) => None,
        Ok(Named::Moved) => Some(Absence::Moved),
        Ok(Named::Removed) => Some(Absence::Removed),
        Ok(Named::Taken) => Some(Absence::Taken),
        Err(error) => Some(Absence::Unseen(error.to_string())),
    }
}

/// Copies an open file to a name, where it comes when it is whole and durable; the name is not yet.
fn copy(disk: &dyn Disk, path: &Path, from: &dyn DiskFile) -> io::Result<Arc<dyn DiskFile>> {
    let (fresh, to) = fresh(disk, path)?;
    let filled = fill(&*to, from);
    if filled.is_err() {
        // It would keep the room that the next attempt needs.
        let _ = disk.remove(&fresh);
    }
    filled?;
    disk.rename(&fresh, path)?;
    Ok(to)
}

fn fill(to: &dyn DiskFile, from: &dyn DiskFile) -> io::Result<()> {
    let length = from.length()?;
    let mut piece = vec![0; PIECE];
    for offset in (0..length).step_by(PIECE) {
        let wanted = usize::try_from(length - offset).unwrap_or(PIECE);
        let part = piece.get_mut(..wanted.min(PIECE)).unwrap_or_default();
        from.read(offset, part)?;
        to.write(offset, part)?;
    }
    to.sync()
}
