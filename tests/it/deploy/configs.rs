//! The configurations, variables and keys that are named.
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use holdline::config::{Config, File, Flags, resolve};

use super::texts::{blocks, read, root, seconds, texts, words};

pub(super) fn sound(text: &str) -> Config {
    let file = File {
        path: PathBuf::from("config.toml"),
        text: text.to_owned(),
    };
    match resolve(Some(&file), [], &Flags::default()) {
        Ok(resolved) => resolved.config,
        Err(faults) => panic!("{faults}\n{text}"),
    }
}

const LEAST: &str = "[[gateway]]\nname = \"begateway\"\nlisten = \"127.0.0.1:8080\"\n";

#[test]
fn every_configuration_is_sound_and_its_process_has_time_to_drain() {
    let compose = read("deploy/compose/compose.yaml");
    let sidecar = read("deploy/kubernetes/sidecar.yaml");
    let values = read("deploy/helm/holdline/values.yaml");
    let alone = read("deploy/helm/holdline/tests/alone.yaml");
    let tls = read("deploy/helm/holdline/tests/tls.yaml");
    let grace = "terminationGracePeriodSeconds:";
    let granted = [
        (
            vec![read("deploy/compose/holdline/config.toml")],
            seconds(&compose, "stop_grace_period:"),
        ),
        (blocks(&sidecar, "config.toml"), seconds(&sidecar, grace)),
        (blocks(&values, "config"), seconds(&values, grace)),
        (blocks(&alone, "config"), seconds(&values, grace)),
        (blocks(&tls, "config"), seconds(&values, grace)),
        (
            vec![read("deploy/compose/holdline-tls/config.toml")],
            seconds(&compose, "stop_grace_period:"),
        ),
        (
            vec![read("config.toml.example")],
            seconds(&read("deploy/holdline.service"), "TimeoutStopSec="),
        ),
    ];
    for (configs, granted) in granted {
        let ([config], [granted]) = (&configs[..], &granted[..]) else {
            panic!("{configs:?} {granted:?}");
        };
        // The last answers need a few seconds more than what is held.
        let needed = sound(config).drain.timeout + Duration::from_secs(5);
        assert!(
            Duration::from_secs(*granted) > needed,
            "{granted}\n{config}"
        );
    }
}

#[test]
fn the_unit_shows_holdline_the_boot_and_leaves_its_exit_code_to_it() {
    let unit = read("deploy/holdline.service");
    // The boot is in /proc/sys, which this hides; and systemd does not hold the exit code of a command that is
    // run before against RestartPreventExitStatus.
    for key in ["ProcSubset=", "ExecStartPre="] {
        assert!(!unit.lines().any(|line| line.starts_with(key)), "{key}");
    }
    assert!(unit.contains("\nRestartPreventExitStatus=78\n"));
}

#[test]
fn whatever_ends_it_something_starts_it_again() {
    assert!(read("deploy/holdline.service").contains("\nRestart=always\n"));
    assert!(read("deploy/compose/compose.yaml").contains("\n    restart: always\n"));
    // Without it Docker does so only until the first signal, SIGHUP too.
    assert!(read("deploy/Dockerfile").contains("\nSTOPSIGNAL SIGTERM\n"));
    assert!(
        read("deploy/README.md").contains("docker run --detach --name holdline --restart always ")
    );
}

#[test]
fn a_configuration_is_mounted_with_its_directory_so_that_a_reload_reads_the_new_one() {
    let mut seen = 0;
    for text in texts() {
        for mount in words(&text.text, |it| !it.is_whitespace()) {
            let mount = mount.trim_matches(['"', '`']);
            let Some((_, inside)) = mount.split_once(":/etc/holdline") else {
                continue;
            };
            seen += 1;
            assert_eq!(inside, ":ro", "{}: {mount}", text.path);
        }
    }
    assert!(seen >= 3, "{seen} were found");
}

#[test]
fn every_configuration_of_a_document_is_sound() {
    let mut seen = 0;
    for text in texts().iter().filter(|text| text.is("md")) {
        for block in text.text.split("```toml\n").skip(1) {
            seen += 1;
            sound(block.split("```").next().unwrap());
        }
    }
    assert!(seen >= 3, "{seen} were found");
}

#[test]
fn every_file_that_a_document_leads_to_is_there() {
    let mut seen = 0;
    for text in texts().iter().filter(|text| text.is("md")) {
        let folder = root().join(&text.path);
        let links = text.text.split("](").skip(1);
        for link in links.map(|rest| rest.split(')').next().unwrap()) {
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            seen += 1;
            let found = folder.parent().unwrap().join(file);
            let is_there = file.is_empty() || found.exists();
            assert!(is_there, "{} leads to {file}", text.path);
            if part.starts_with("holdline") {
                let runbook = read("docs/runbook.md").to_lowercase();
                assert!(runbook.contains(&format!("\n## {part}\n")), "{part}");
            }
        }
    }
    assert!(seen > 20, "{seen} were found");
}

#[test]
fn every_variable_that_is_named_sets_a_key() {
    let mut named = BTreeSet::new();
    for text in texts() {
        let is_part = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let variables = words(&text.text, is_part).filter(|word| {
            // Others are of the tests and scripts.
            word.starts_with("HOLDLINE_") && word.contains("__")
        });
        named.extend(variables.map(str::to_owned));
    }
    assert!(named.len() >= 2, "{named:?}");
    let keys = keys();
    for name in named {
        let path = name.strip_prefix("HOLDLINE_").unwrap().to_lowercase();
        let key = path.replace("__0__", ".").replace("__", ".");
        assert!(keys.contains(&key), "{name} sets no key");
    }
}

/// Every key as `section.key`.
fn keys() -> BTreeSet<String> {
    let file = File {
        path: PathBuf::from("config.toml"),
        text: LEAST.to_owned(),
    };
    let shown = resolve(Some(&file), [], &Flags::default())
        .unwrap()
        .to_toml();
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in shown.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.insert(format!("{section}.{key}"));
        }
    }
    assert!(keys.len() > 40, "{keys:?}");
    keys
}

#[test]
fn every_key_that_is_named_is_one() {
    let keys = keys();
    // `gateway.example` is a host.
    let sections: BTreeSet<&str> = keys
        .iter()
        .filter_map(|key| key.split_once('.'))
        .map(|(section, _)| section)
        .filter(|section| *section != "gateway")
        .collect();
    let mut seen = 0;
    for text in texts() {
        let is_part = |it: char| it.is_ascii_alphanumeric() || "_.-/@:".contains(it);
        for word in words(&text.text, is_part) {
            let word = word.trim_end_matches(['.', ':']);
            let Some((section, key)) = word.split_once('.') else {
                continue;
            };
            let is_key = |it: char| it.is_ascii_lowercase() || it == '_';
            if !sections.contains(section) || key.is_empty() || !key.chars().all(is_key) {
                continue;
            }
            seen += 1;
            let path = &text.path;
            assert!(keys.contains(word), "{path} names {word}, which is no key");
        }
    }
    assert!(seen > 20, "{seen} keys were found");
}

#[test]
fn the_versions_are_those_of_the_package() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = read("deploy/helm/holdline/Chart.yaml");
    assert!(chart.contains(&format!("\nappVersion: {version}\n")));
    let image = format!("image: registry.example/holdline:{version}\n");
    assert!(read("deploy/kubernetes/sidecar.yaml").contains(&image));
    let builder = format!("BUILDER=rust:{}", env!("CARGO_PKG_RUST_VERSION"));
    assert!(read("deploy/Dockerfile").contains(&builder));
}
