//! The bytes of a file on a simulated disk: as they are seen, as they are durable, and what lies between.
use fastrand::Rng;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// The bytes of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// As a process reads them.
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// What was written since the last sync.
    pub(super) pending: Vec<Change>,
    /// A sync failed: what was to be written is called clean by the system, and is not.
    pub(super) forgotten: bool,
    pub(super) locked: bool,
}

impl Content {
    /// The system lets go of what it took for clean.
    pub(super) fn forget(&mut self) {
        if std::mem::take(&mut self.forgotten) {
            self.seen.clone_from(&self.durable);
        }
    }
}

/// What a process did to a file.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

impl Change {
    pub(super) fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Length(length) => to.resize(*length, 0),
            Self::Bytes(offset, bytes) => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(bytes);
            }
        }
    }

    /// What the power's end leaves of it.
    pub(super) fn left(&self, random: &mut Rng) -> Option<Self> {
        match (random.u8(0..3), self) {
            (0, _) => None,
            (1, Self::Bytes(offset, bytes)) if bytes.len() > SECTOR => {
                let sectors = random.usize(0..bytes.len() / SECTOR);
                Some(Self::Bytes(*offset, bytes[..sectors * SECTOR].to_vec()))
            }
            _ => Some(self.clone()),
        }
    }
}
