//! The memory and the disk that docs/sizing.md tells of, held against the manifests and the defaults.
use holdline::config::Config;

use super::configs::sound;
use super::texts::{blocks, read};

const MIB: u64 = 1024 * 1024;

/// What docs/sizing.md adds up: what a payment takes that is held, the process with the operations of a
/// gateway, what is bounded in bytes, and the facts.
const fn memory(held: u64, bounded: u64, facts: u64) -> u64 {
    held * 7 * 1024 + 32 * MIB + bounded + facts * 130
}

fn of(config: &Config) -> u64 {
    let bounded =
        config.results.max_bytes + config.proxy.bodies as u64 + config.exchange.answers as u64;
    memory(
        config.proxy.held as u64,
        bounded,
        config.exchange.facts as u64,
    )
}

/// The bytes of `1GiB` in a configuration, of `1 GiB` in a text, or of `1Gi` in a manifest.
fn bytes(size: &str) -> u64 {
    let size = size.trim().trim_end_matches('B').trim_end_matches('i');
    let (number, unit) = size.split_at(size.len() - 1);
    let number: u64 = number.trim().replace(',', "").parse().unwrap();
    match unit {
        "G" => number * 1024 * MIB,
        "M" => number * MIB,
        _ => panic!("{size}"),
    }
}

/// The value of the only `name: value` behind `start`.
fn value(manifest: &str, start: &str, name: &str) -> u64 {
    let (_, rest) = manifest.split_once(start).unwrap();
    let line = rest.lines().find_map(|line| line.trim().strip_prefix(name));
    bytes(line.unwrap())
}

#[test]
fn every_manifest_has_the_memory_and_the_disk_that_its_configuration_may_take() {
    let sidecar = read("deploy/kubernetes/sidecar.yaml");
    let values = read("deploy/helm/holdline/values.yaml");
    let manifests = [
        (
            blocks(&sidecar, "config.toml"),
            value(&sidecar, "limits:", "memory:"),
            value(&sidecar, "volumeClaimTemplates:", "storage:"),
        ),
        (
            blocks(&values, "config"),
            value(&values, "limits:", "memory:"),
            value(&values, "journal:", "size:"),
        ),
    ];
    for (configs, memory, disk) in manifests {
        let config = sound(&configs[0]);
        let needed = of(&config);
        assert!(memory >= needed, "{memory} bytes are less than {needed}");
        let file = config.journal.max_bytes;
        assert!(disk >= 3 * file, "{disk} bytes are not three times {file}");
    }
}

#[test]
fn every_row_of_the_guide_adds_up_and_its_last_one_has_the_defaults() {
    let guide = read("docs/sizing.md");
    let (_, table) = guide.split_once("| `limits.held` |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let number = |cell: &str| cell.trim().replace(',', "").parse::<u64>().unwrap();
    let mut needed = 0;
    for row in table.lines().skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [held, cache, bodies, answers, facts, given] = cells[..] else {
            panic!("{row}");
        };
        needed = memory(
            number(held),
            bytes(cache) + bytes(bodies) + bytes(answers),
            number(facts),
        );
        assert!(bytes(given) >= needed, "{needed} bytes: {row}");
    }
    let least = sound("[[gateway]]\nname = \"begateway\"\nlisten = \"127.0.0.1:8080\"\n");
    assert_eq!(needed, of(&least));
}
