//! The machine that is measured on: its name, and how much of it others used meanwhile.
use std::fs;
use std::process::Command;

/// What the processors did until some moment, in clock ticks (proc(5), `/proc/stat`).
#[derive(Clone, Copy)]
pub(crate) struct Load {
    busy: u64,
    all: u64,
    stolen: u64,
    ours: u64,
}

impl Load {
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let fields: Vec<u64> = numbers(stat.lines().next().unwrap_or_default());
        let [user, nice, system, idle, waiting, hard, soft, stolen, ..] = fields[..] else {
            return Self {
                busy: 0,
                all: 0,
                stolen: 0,
                ours: 0,
            };
        };
        let busy = user + nice + system + hard + soft;
        Self {
            busy,
            all: busy + idle + waiting + stolen,
            stolen,
            ours: ours(),
        }
    }

    /// What others did since `earlier`, as a sentence.
    pub(crate) fn told_since(&self, earlier: Self) -> String {
        let all = (self.all - earlier.all).max(1);
        let busy = self.busy - earlier.busy;
        let others = busy.saturating_sub(self.ours - earlier.ours);
        let percent = |ticks: u64| ticks * 100 / all;
        format!(
            "The runs used {} % of the machine, other processes {} %, and its host took away {} %.",
            percent(busy - others),
            percent(others),
            percent(self.stolen - earlier.stolen),
        )
    }
}

/// The ticks of this process and of all its children that have ended.
fn ours() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let of_process = fields.split_once(' ').map_or("", |(_, rest)| rest);
    // The 14th to the 17th field; the 4th stands first here.
    numbers(of_process).iter().skip(10).take(4).sum()
}

fn numbers(line: &str) -> Vec<u64> {
    line.split_ascii_whitespace()
        .filter(|field| *field != "cpu")
        .map(|field| field.parse().unwrap_or_default())
        .collect()
}

/// The machine in a few words.
pub(crate) fn told() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("an unnamed processor", |rest| {
            rest.trim_matches([' ', '\t', ':'])
        });
    let count = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{count} × {model}, Linux {}", kernel.trim())
}

/// The version that a program tells of itself, behind its name; `None` if it is not there.
pub(crate) fn version(program: &str, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let is_of_version = |character: char| character.is_ascii_digit() || character == '.';
    let start = text.find(|character: char| character.is_ascii_digit())?;
    let version = text.get(start..)?.split(|it| !is_of_version(it)).next()?;
    Some(format!("{program} {version}"))
}
