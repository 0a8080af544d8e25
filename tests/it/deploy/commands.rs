//! The command lines that are shown, and the paths that probes ask for.
use std::process::Command;

use super::texts::{lists, read, texts};
use crate::stage::bench::holdline;

/// True if the binary understands a command line. It is read up to `--help`, and nothing is done.
fn is_understood(arguments: &[String]) -> bool {
    let read = Command::new(env!("CARGO_BIN_EXE_holdline"))
        .args(arguments)
        .arg("--help")
        .output();
    read.unwrap().status.success()
}

#[test]
fn every_command_line_of_a_container_is_understood() {
    let mut seen = 0;
    for text in texts() {
        for list in lists(&text.text) {
            let arguments = match list[0].as_str() {
                "holdline" => &list[1..],
                "run" | "simulate" | "demo" | "check" => &list[..],
                _ => continue,
            };
            seen += 1;
            assert!(is_understood(arguments), "{}: {list:?}", text.path);
        }
    }
    assert!(seen >= 10, "{seen} were found");
}

/// The arguments of every `holdline` that a document shows, in a block for a shell or in a line of text.
fn shown(document: &str) -> Vec<String> {
    let mut shown = Vec::new();
    for (index, part) in document.split("```").enumerate() {
        let commands: Vec<&str> = if index % 2 == 0 {
            part.split('`').skip(1).step_by(2).collect()
        } else if part.starts_with("sh\n") {
            part.lines().collect()
        } else {
            continue;
        };
        for command in commands {
            let ours = command.trim().split(" && ").last().unwrap_or_default();
            let ours = ours.split(" -- ").last().unwrap_or_default();
            let ours = ours.strip_prefix("docker compose ").map_or(ours, |it| {
                it.split_once(" exec holdline ").map_or("", |(_, it)| it)
            });
            let arguments = ours.strip_prefix("holdline ").unwrap_or_default();
            let arguments = arguments.split(['|', '>', '&']).next().unwrap_or_default();
            if !arguments.is_empty() {
                shown.push(arguments.trim().to_owned());
            }
        }
    }
    shown
}

#[test]
fn every_command_line_of_a_document_is_understood() {
    let mut seen = 0;
    for text in texts().iter().filter(|text| text.is("md")) {
        for line in shown(&text.text) {
            seen += 1;
            // The shell takes the quotes away.
            let read = Command::new("sh")
                .args(["-c", &format!("\"$HOLDLINE\" {line} --help")])
                .env("HOLDLINE", env!("CARGO_BIN_EXE_holdline"))
                .output()
                .unwrap();
            assert!(read.status.success(), "{}: {line}: {read:?}", text.path);
        }
    }
    assert!(seen > 15, "{seen} were found");
}

#[test]
fn every_command_line_of_the_unit_is_understood() {
    let unit = read("deploy/holdline.service");
    let lines = unit.lines().filter_map(|line| {
        let (key, command) = line.split_once('=')?;
        key.starts_with("Exec")
            .then(|| command.strip_prefix("/usr/local/bin/holdline "))?
    });
    let lines: Vec<&str> = lines.collect();
    assert!(!lines.is_empty());
    for line in lines {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert!(is_understood(&arguments), "{line}");
    }
}

#[tokio::test]
async fn every_path_that_a_probe_asks_for_is_answered() {
    let bench = holdline().journal().start().await;
    let mut seen = 0;
    for text in texts() {
        let urls = text.text.split("http://127.0.0.1:9900").skip(1);
        for rest in urls {
            let is_part = |it: char| it.is_ascii_lowercase() || it == '/';
            let end = rest.find(|it| !is_part(it)).unwrap_or(rest.len());
            // The address alone, or the path of one exchange.
            let path = &rest[..end];
            if path.is_empty() || path.ends_with('/') {
                continue;
            }
            seen += 1;
            let status = bench.operator(path).await.status;
            assert_eq!(status, 200, "{} asks for {path}", text.path);
        }
        // The gateway of the composition is asked whether it lives, too.
        let urls = text.text.split("http://127.0.0.1:8081").skip(1);
        for rest in urls.filter(|_| text.is("yaml")) {
            let path = rest.split(['"', '\n', '.']).next().unwrap();
            let status = bench.gateway_says(path).await.status;
            assert_eq!(status, 200, "{} asks for {path}", text.path);
        }
    }
    assert!(seen >= 2, "{seen} were found");
}
