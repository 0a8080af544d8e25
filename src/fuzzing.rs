//! Everything that reads bytes of others, and what must hold whatever they are: the targets of fuzz/,
//! and of a test that tries them with the same seeds. In no build that is shipped.
use crate::telemetry::Capped;
use crate::{config, control, journal, listener, message, protocol, proxy, upstream};

/// Takes any bytes, and says whether it took them for what they may be. Fails if a property does not
/// hold.
pub type Target = fn(&[u8]) -> bool;

/// Every target under the name of its file and of its seeds.
pub const TARGETS: [(&str, Target); 16] = [
    ("answers", protocol::fuzzing::answers),
    ("config", config::fuzzing::config),
    ("control", control::fuzzing::control),
    ("dates", protocol::fuzzing::dates),
    ("fields", message::fuzzing::fields),
    ("head", proxy::fuzzing::head),
    ("log", journal::fuzzing::log),
    ("lookup", protocol::fuzzing::lookup),
    ("order_facts", protocol::fuzzing::order_facts),
    ("record", journal::fuzzing::record),
    ("reply", upstream::fuzzing::reply),
    ("route", protocol::fuzzing::route),
    ("scrutiny", listener::fuzzing::scrutiny),
    ("shown", shown),
    ("stored", message::fuzzing::stored),
    ("units", config::fuzzing::units),
];

/// A stranger's text, as a log shows it. True if it is shown as it is.
fn shown(data: &[u8]) -> bool {
    /// The longest escape, `\u{10ffff}`.
    const ESCAPE: usize = 10;
    let text = String::from_utf8_lossy(data);
    let shown = Capped(&text).to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert!(shown.chars().count() <= Capped::LONGEST * ESCAPE + 1);
    shown == text
}

/// Runs the target of a name, as the files of fuzz/ do.
///
/// # Panics
///
/// Where a property of the target does not hold.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    assert!(target.is_some(), "there is no target {name}");
    if let Some((_, target)) = target {
        target(data);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use fastrand::Rng;

    use super::*;

    /// How often a seed is changed and tried; `HOLDLINE_FUZZ_TRIES` sets another number.
    const TRIES: usize = 300;

    /// Marks of the grammars that are read here: a random byte is seldom one of them.
    const TOKENS: [&[u8]; 14] = [
        b"\r\n\r\n",
        b"\n",
        b"\0",
        b"%2f",
        b"..",
        b"//",
        b"{}",
        b"[]",
        b"null",
        b"\"\\ud800\"",
        b"99999999999999999999",
        b"-1",
        b"\xff\xff\xff\xff",
        b"\xc3",
    ];

    fn fuzz() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    fn seeds(name: &str) -> Vec<Vec<u8>> {
        let folder = fuzz().join("seeds").join(name);
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files.iter().map(|file| fs::read(file).unwrap()).collect()
    }

    fn changed(seed: &[u8], other: &[u8], random: &mut Rng) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(0..=bytes.len());
            let end = (at + random.usize(0..24)).min(bytes.len());
            match random.u8(0..6) {
                0 => drop(bytes.drain(at..end)),
                1 => drop(bytes.splice(at..at, TOKENS[random.usize(0..TOKENS.len())].to_vec())),
                2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                3 => drop(bytes.splice(at.., other[other.len() / 2..].to_vec())),
                4 => bytes.truncate(at),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = random.u8(..);
                    }
                }
            }
        }
        bytes
    }

    #[test]
    fn every_target_holds_for_its_seeds_and_for_what_is_near_them() {
        let tries = std::env::var("HOLDLINE_FUZZ_TRIES");
        let tries = tries.map_or(TRIES, |it| it.parse().unwrap());
        for (name, target) in TARGETS {
            let seeds = seeds(name);
            let taken = seeds.iter().filter(|seed| target(seed)).count();
            // Or its properties would be of nothing.
            assert!(taken > 0, "{name} takes no seed");
            assert!(taken < seeds.len(), "{name} refuses no seed");
            let mut random = Rng::with_seed(1);
            for seed in &seeds {
                for _ in 0..tries {
                    let other = &seeds[random.usize(0..seeds.len())];
                    let bytes = changed(seed, other, &mut random);
                    let held = std::panic::catch_unwind(|| target(&bytes));
                    assert!(
                        held.is_ok(),
                        "{name}: {:?}",
                        bytes.escape_ascii().to_string()
                    );
                }
            }
        }
    }

    #[test]
    fn every_target_has_its_file_and_every_file_its_target() {
        let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
        for (name, _) in TARGETS {
            let file = fuzz().join("fuzz_targets").join(format!("{name}.rs"));
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.contains(&format!("run(\"{name}\", data)")), "{name}");
            assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
        }
        let files = fs::read_dir(fuzz().join("fuzz_targets")).unwrap().count();
        assert_eq!(files, TARGETS.len());
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    }
}
