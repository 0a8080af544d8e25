//! What the journal costs: the same load on the same binary, with the journal and without, in turns.
//!
//! `BENCH=journal scripts/bench [RATE SECONDS ROUNDS]`. Each round pays RATE times a second for
//! SECONDS, each payment on a connection of its own, at a gateway whose tasks take 700 ms. Told are
//! the CPU time of the process a payment and the time to the answer; read the ratio and the
//! difference, since both sides ran on the same machine in the same minutes.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, prints, and ends at the first thing that is wrong"
)]
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The clock ticks of `/proc/PID/stat` (proc(5)); Linux has had no other on these architectures.
const TICKS_A_SECOND: f64 = 100.0;

/// The demo shop of the simulated gateway.
const AUTHORIZATION: &str = "Basic MzYxOmI4NjQ3YjY4ODk4YjA4NGI4MzY0NzRlZDhkNjFmZmUxMTdjOWEwMTE2OGQ4NjdmMjQ5NTNiNzc2ZGRjYjEzNGQ=";

struct Load {
    rate: u32,
    seconds: u32,
    rounds: u32,
}

#[derive(Default)]
struct Measured {
    cpu_micros: Vec<f64>,
    millis: Vec<f64>,
    failures: usize,
}

fn main() {
    let numbers: Vec<u32> = std::env::args()
        .filter_map(|text| text.parse().ok())
        .collect();
    let load = Load {
        rate: numbers.first().copied().unwrap_or(200),
        seconds: numbers.get(1).copied().unwrap_or(10),
        rounds: numbers.get(2).copied().unwrap_or(3),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (mut memory, mut journal) = (Measured::default(), Measured::default());
    for _ in 0..load.rounds {
        runtime.block_on(round(&load, false, &mut memory));
        runtime.block_on(round(&load, true, &mut journal));
    }
    println!(
        "{} payments a second for {} s, {} rounds each, in turns",
        load.rate, load.seconds, load.rounds
    );
    println!("            CPU a payment      p50        p99     failures");
    let memory = report("in memory", &mut memory);
    let journal = report("journal", &mut journal);
    println!(
        "journal / in memory: CPU {:.2}, p50 {:+.1} ms, p99 {:+.1} ms",
        journal.0 / memory.0,
        journal.1 - memory.1,
        journal.2 - memory.2
    );
}

fn report(name: &str, measured: &mut Measured) -> (f64, f64, f64) {
    measured.millis.sort_by(f64::total_cmp);
    measured.cpu_micros.sort_by(f64::total_cmp);
    let told = (
        measured.cpu_micros[measured.cpu_micros.len() / 2],
        measured.millis[measured.millis.len() / 2],
        measured.millis[measured.millis.len() * 99 / 100],
    );
    println!(
        "{name:10}  {:8.0} µs  {:9.1} ms {:7.1} ms {:8}",
        told.0, told.1, told.2, measured.failures
    );
    told
}

async fn round(load: &Load, journal: bool, measured: &mut Measured) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (gateway, upstream) = start(&["simulate", "--latency", "fixed:700"], "listening on");
    let config = directory.path().join("holdline.toml");
    fs::write(&config, config_text(directory.path(), upstream, journal)).unwrap();
    let (proxy, address) = start(
        &["run", "--config", config.to_str().unwrap()],
        "listening for clients",
    );
    let before = cpu_seconds(&proxy.0);
    let count = load.rate * load.seconds;
    let started = Instant::now();
    let mut payments = JoinSet::new();
    for number in 0..count {
        let due = started + Duration::from_secs(1) * number / load.rate;
        tokio::time::sleep_until(due.into()).await;
        payments.spawn(pay(address, number));
    }
    while let Some(paid) = payments.join_next().await {
        match paid.unwrap() {
            Some(took) => measured.millis.push(took.as_secs_f64() * 1e3),
            None => measured.failures += 1,
        }
    }
    let spent = cpu_seconds(&proxy.0) - before;
    measured.cpu_micros.push(spent * 1e6 / f64::from(count));
    drop((gateway, proxy));
}

fn config_text(directory: &Path, upstream: SocketAddr, journal: bool) -> String {
    let path = directory.join("holdline.redb");
    format!(
        "[[gateway]]\nname = \"bench\"\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{upstream}\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"info\"\n\
         [journal]\nin_memory = {}\npath = \"{}\"\n",
        !journal,
        path.display()
    )
}

/// A process of the measured binary; it ends with the round.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _it_may_have_ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Starts a command of holdline and reads the address that it tells; what else it says is dropped.
fn start(arguments: &[&str], telling: &str) -> (Process, SocketAddr) {
    let binary = std::env::var("BENCH_BINARY");
    let binary = binary.unwrap_or_else(|_| env!("CARGO_BIN_EXE_holdline").to_owned());
    let mut child = Command::new(binary)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let process = Process(child);
    let line = lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.contains(telling))
        .unwrap();
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    let from = line.find("127.0.0.1:").unwrap();
    let text: String = line[from..]
        .chars()
        .take_while(|character| character.is_ascii_digit() || ".:".contains(*character))
        .collect();
    (process, text.parse().unwrap())
}

fn cpu_seconds(process: &Child) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    // The name stands in parentheses and may hold spaces; user and system time are the 14th and
    // 15th fields (proc(5)).
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS_A_SECOND
}

/// One payment: the time to its whole answer, or nothing where it was not a 200.
async fn pay(address: SocketAddr, number: u32) -> Option<Duration> {
    let body = format!(
        "{{\"request\":{{\"amount\":{},\"currency\":\"EUR\",\"description\":\"bench\",\
         \"tracking_id\":\"bench-{number}\",\"test\":true,\"credit_card\":{{\
         \"number\":\"4200000000000000\",\"verification_value\":\"123\",\"holder\":\"A B\",\
         \"exp_month\":\"05\",\"exp_year\":\"2030\"}}}}}}",
        1_000 + number
    );
    let request = format!(
        "POST /transactions/payments HTTP/1.1\r\nHost: {address}\r\nAuthorization: {AUTHORIZATION}\r\n\
         Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    answer
        .starts_with(b"HTTP/1.1 200 ")
        .then(|| began.elapsed())
}
