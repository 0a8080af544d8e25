//! The house of ARCHITECTURE.md: its floors, its smallness, and where the gateway's words may
//! stand. What is asked here is asked of the sources as they are written.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::source::{Code, read};

/// The floors from the top. A room imports from the floors below its own only, so that rooms on
/// one floor do not know each other. A file that is not a room's own directory is named alone.
const FLOORS: [&[&str]; 12] = [
    &["main"],
    &["cli"],
    &["commands"],
    // What is tried with any bytes; in no build that is shipped.
    &["app", "fuzzing"],
    &["config"],
    &["proxy", "admin", "control", "probe", "simulator"],
    &["exchange"],
    &["results", "journal"],
    &["upstream", "protocol", "polling", "listener"],
    &["certificates", "drain", "message", "process", "telemetry"],
    &["elementary", "live", "timing"],
    // Holds the list of the rooms and imports none.
    &["lib"],
];

/// The rooms that the pure machine may know.
const MACHINE_MAY: [&str; 3] = ["polling", "protocol", "timing"];

/// Longer files are split: what does not fit the eye hides its faults.
const LONGEST_FILE: usize = 500;

/// What the gateway's documentation calls its paths, fields, members and states. Texts that hold
/// one of them are written where the gateway is spoken to.
const GATEWAY_PATHS: [&str; 4] = ["/transactions", "/async", "/balance", "/v2/"];
const GATEWAY_NAMES: [&str; 12] = [
    "requestid",
    "x-api-version",
    "request_id",
    "status_url",
    "response_url",
    "tracking_id",
    "credit_card",
    "parent_uid",
    "duplicate_check",
    "processing",
    "successful",
    "incomplete",
];

/// Who speaks to the gateway: the protocol, the gateway that is simulated, the probe, whose requests
/// are a merchant's, and the demo, whose line for curl is a client's.
const SPEAKERS: [&str; 4] = [
    "src/protocol/",
    "src/simulator/",
    "src/probe/",
    "src/commands/demo.rs",
];

/// A file of the house.
struct File {
    /// Like `src/proxy/service.rs`.
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// `proxy` for `src/proxy/service.rs`, `app` for `src/app.rs`.
    fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap();
        let room = inside.split('/').next().unwrap();
        room.strip_suffix(".rs").unwrap_or(room)
    }

    /// How many modules stand between the file and the crate: 1 for a room.
    fn depth(&self) -> usize {
        let inside = self.path.strip_prefix("src/").unwrap();
        let parts = inside.split('/').count();
        parts - usize::from(inside.ends_with("/mod.rs"))
    }

    fn is_of_tests(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Everything that is wrong with a house.
fn faults(house: &[File]) -> Vec<String> {
    house.iter().flat_map(faults_of_file).collect()
}

fn faults_of_file(file: &File) -> Vec<String> {
    let code = read(&file.text);
    let mut faults = floors(file, &code);
    faults.extend(machine(file, &code));
    faults.extend(words(file));
    faults.extend(no_logic(file, &code));
    if !file.text.starts_with("//! ") {
        faults.push("the first line does not say what the file is for".to_owned());
    }
    let lines = file.text.lines().count();
    if lines > LONGEST_FILE {
        faults.push(format!("{lines} lines"));
    }
    let path = &file.path;
    faults.iter().map(|it| format!("{path}: {it}")).collect()
}

fn floors(file: &File, code: &Code) -> Vec<String> {
    let room = file.room();
    let Some(own) = floor(room) else {
        return vec![format!("{room} stands on no floor")];
    };
    let mut faults = Vec::new();
    for other in code.rooms(file.depth()) {
        // A name that is no room is the file's own: `super` is a file to its tests.
        let Some(below) = floor(&other) else {
            continue;
        };
        if other != room && below <= own {
            faults.push(format!("{room} imports {other}, which is not below it"));
        }
        if other == "simulator" && !matches!(room, "simulator" | "commands") {
            faults.push(format!("{room} imports the simulated gateway"));
        }
    }
    faults
}

/// The machine is pure because of what it cannot reach.
fn machine(file: &File, code: &Code) -> Vec<String> {
    let inside = file.path.strip_prefix("src/exchange/machine/");
    if inside.is_none() || file.is_of_tests() {
        return Vec::new();
    }
    let text = code.without_tests();
    let mut faults: Vec<String> = read(&text)
        .rooms(file.depth())
        .into_iter()
        .filter(|room| !MACHINE_MAY.contains(&room.as_str()))
        .map(|room| format!("the machine imports {room}"))
        .collect();
    // `super` is the machine itself in its files, and the whole exchange in its `mod.rs`.
    let beyond = if file.path.ends_with("/mod.rs") {
        "super::"
    } else {
        "super::super::"
    };
    if text.contains(beyond) {
        faults.push("the machine imports from the exchange around it".to_owned());
    }
    for effect in [
        "tokio::", "std::net", "std::fs", "std::io", "hyper::", "async ",
    ] {
        if text.contains(effect) {
            faults.push(format!("the machine does I/O: {effect}"));
        }
    }
    faults
}

/// The gateway's words in what the program does. Tests, comments and names of log fields may use
/// them: they speak of the gateway, not to it.
fn words(file: &File) -> Vec<String> {
    let speaks = SPEAKERS
        .iter()
        .any(|speaker| file.path.starts_with(speaker));
    if speaks || file.is_of_tests() {
        return Vec::new();
    }
    let code = read(&read(&file.text).without_tests_but_texts());
    code.texts()
        .filter(|text| {
            let lower = text.to_ascii_lowercase();
            GATEWAY_NAMES.contains(&lower.as_str())
                || GATEWAY_PATHS.iter().any(|path| lower.starts_with(path))
        })
        .map(|text| format!("\"{text}\" is a word of the gateway"))
        .collect()
}

/// A `mod.rs` says which modules there are and what they show.
fn no_logic(file: &File, code: &Code) -> Vec<String> {
    if !file.path.ends_with("/mod.rs") {
        return Vec::new();
    }
    code.statements()
        .filter(|statement| {
            let mut said = statement.as_str();
            while let Some((_, rest)) = said.strip_prefix("#[").and_then(|it| it.split_once("] ")) {
                said = rest;
            }
            let words: Vec<&str> = said.split_ascii_whitespace().take(2).collect();
            !matches!(
                words[..],
                ["mod", _] | ["pub" | "pub(super)", "mod" | "use"]
            )
        })
        .map(|statement| format!("logic in a mod.rs: {statement}"))
        .collect()
}

/// The sources as they are.
fn our_house() -> Vec<File> {
    fn visit(directory: &Path, root: &Path, files: &mut Vec<File>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, root, files);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let inside = path.strip_prefix(root).unwrap().to_str().unwrap();
                files.push(File::new(inside, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    visit(&root.join("src"), root, &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

#[test]
fn our_house_stands() {
    let house = our_house();
    assert!(house.len() > 100, "{} files were read", house.len());
    let faults = faults(&house);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_room_stands_on_one_floor_and_every_floor_has_its_rooms() {
    let house = our_house();
    let there: BTreeSet<&str> = house.iter().map(File::room).collect();
    let planned: Vec<&str> = FLOORS.iter().copied().flatten().copied().collect();
    assert_eq!(there, planned.iter().copied().collect());
    assert_eq!(there.len(), planned.len(), "a room stands on two floors");
}

#[test]
fn the_architecture_shows_every_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    for room in FLOORS.iter().copied().flatten() {
        let row = format!("`{room}`");
        assert!(told.contains(&row), "ARCHITECTURE.md does not show {row}");
    }
}

/// The faults of a house of one file.
fn faults_of(path: &str, text: &str) -> Vec<String> {
    faults(&[File::new(path, &format!("//! A room.\n{text}"))])
}

#[test]
fn a_higher_floor_is_found_however_it_is_imported() {
    for import in [
        "use crate::proxy::Config;",
        "use crate::{\n    timing::{Clock, Moment},\n    proxy,\n};",
        "fn f() { crate::proxy::run(); }",
        "use super::super::proxy::Config;",
        "use super::super::{timing::Clock, proxy::Config};",
        "pub(crate) use crate::timing::Moment; use crate::proxy as other;",
    ] {
        assert_eq!(
            faults_of("src/exchange/driver.rs", import),
            ["src/exchange/driver.rs: exchange imports proxy, which is not below it"],
            "{import}"
        );
    }
    let sound = "use crate::timing::Moment;\nuse super::flights::Flight; // crate::proxy\n\
                 const TEXT: &str = \"use crate::proxy\";";
    assert!(faults_of("src/exchange/context.rs", sound).is_empty());
}

#[test]
fn rooms_of_one_floor_do_not_know_each_other() {
    let text = "use crate::listener::Receipt;";
    assert_eq!(faults_of("src/upstream/client.rs", text).len(), 1);
    assert!(faults_of("src/proxy/payment.rs", text).is_empty());
}

#[test]
fn nobody_but_a_command_knows_the_simulated_gateway() {
    let text = "use crate::simulator::Gateway;";
    assert_eq!(
        faults_of("src/app.rs", text),
        ["src/app.rs: app imports the simulated gateway"]
    );
    assert!(faults_of("src/commands/simulate.rs", text).is_empty());
}

#[test]
fn the_machine_reaches_nothing_that_acts() {
    let faults = |text| faults_of("src/exchange/machine/table.rs", text);
    assert_eq!(faults("use crate::upstream::Client;").len(), 1);
    assert_eq!(faults("use super::super::driver::Driver;").len(), 1);
    assert_eq!(
        faults("async fn f() { tokio::time::sleep(it).await }").len(),
        2
    );
    let tested = "use crate::timing::Moment;\n#[cfg(test)]\nmod tests { use crate::drain::Drain; }";
    assert!(faults(tested).is_empty());
}

#[test]
fn the_gateways_words_stand_where_it_is_spoken_to() {
    let text = "fn f(it: &str) -> bool { it == \"processing\" || it.starts_with(\"/async/\") }";
    assert_eq!(faults_of("src/proxy/payment.rs", text).len(), 2);
    assert!(faults_of("src/protocol/answer.rs", text).is_empty());
    assert_eq!(
        faults_of("src/proxy/key.rs", "const KEY: &str = \"RequestID\";").len(),
        1
    );
    let tested = format!("// \"processing\"\n#[cfg(test)]\nmod tests {{\n{text}\n}}");
    assert!(faults_of("src/proxy/payment.rs", &tested).is_empty());
}

#[test]
fn a_mod_file_with_logic_a_long_file_and_a_nameless_one_are_found() {
    let logic =
        "mod a;\npub mod b;\n#[cfg(test)]\nmod tests;\npub use a::{\n    A,\n};\nfn f() {}\n";
    assert_eq!(
        faults_of("src/proxy/mod.rs", logic),
        ["src/proxy/mod.rs: logic in a mod.rs: fn f() {}"]
    );
    assert_eq!(faults_of("src/proxy/mod.rs", "use a::A;").len(), 1);
    let long = "//\n".repeat(LONGEST_FILE);
    assert_eq!(faults_of("src/app.rs", &long), ["src/app.rs: 501 lines"]);
    let nameless = [File::new("src/app.rs", "use std::io;\n")];
    assert_eq!(faults(&nameless).len(), 1);
    assert_eq!(
        faults_of("src/utils.rs", ""),
        ["src/utils.rs: utils stands on no floor"]
    );
}
