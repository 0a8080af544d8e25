//! Processes that a run starts: made ready, measured from `/proc`, and ended with their children.
use std::env;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::net::TcpStream;

use crate::Failure;

/// How often a process that starts is looked at, and how many times: 20 s are ample for any.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: u32 = 400;

/// How long a process may take to end after SIGTERM, in looks.
const LAST_LOOKS: u32 = 40;

/// The clock ticks of `/proc/PID/stat` (proc(5)); Linux has had no other on these architectures.
const TICK: Duration = Duration::from_millis(10);

/// A process with all that it forks: they share a process group of their own.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// What a process and its children have used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Memory of their own, in KiB: what is not backed by files.
    pub(crate) own: usize,
    /// All memory that is resident, in KiB.
    pub(crate) resident: usize,
}

impl Process {
    /// Starts `command`; what it says goes into a file of `directory`.
    pub(crate) fn start(command: &mut Command, directory: &Path) -> io::Result<Self> {
        let program = Path::new(command.get_program()).file_name();
        let name = program.unwrap_or_default().to_string_lossy().into_owned();
        let log = directory.join(format!("{name}.log"));
        let file = File::create(&log)?;
        // What holdline is set to here is in its file alone.
        for (key, _) in env::vars_os() {
            if key.to_string_lossy().starts_with("HOLDLINE_") {
                command.env_remove(key);
            }
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()?;
        Ok(Self { child, log })
    }

    /// Waits until it accepts connections at `address`.
    pub(crate) async fn ready(&mut self, address: SocketAddr) -> Result<(), Failure> {
        for _ in 0..LOOKS {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended with {status}: {}", self.said()).into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(format!("nobody accepts at {address}: {}", self.said()).into())
    }

    /// What it wrote to its standard output and error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What the process and its children have used until now.
    pub(crate) fn usage(&self) -> io::Result<Usage> {
        let group = self.child.id().to_string();
        let mut usage = Usage::default();
        for entry in fs::read_dir("/proc")? {
            let directory = entry?.path();
            let Some(spent) = cpu_of(&directory, &group) else {
                continue;
            };
            usage.cpu += spent;
            let status = fs::read_to_string(directory.join("status")).unwrap_or_default();
            usage.own += kibibytes(&status, "RssAnon:") + kibibytes(&status, "RssShmem:");
            usage.resident += kibibytes(&status, "VmRSS:");
        }
        Ok(usage)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Ok(id) = i32::try_from(self.child.id()) else {
            return;
        };
        let group = Pid::from_raw(id);
        let _it_may_have_ended = killpg(group, Signal::SIGTERM);
        for _ in 0..LAST_LOOKS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            thread::sleep(LOOK);
        }
        // Children that outlive their parent are still of its group.
        let _all_may_have_ended = killpg(group, Signal::SIGKILL);
        let _reaped = self.child.wait();
    }
}

/// The processor time of the process of `directory`, if it is of the process group `group`.
fn cpu_of(directory: &Path, group: &str) -> Option<Duration> {
    let stat = fs::read_to_string(directory.join("stat")).ok()?;
    // The name stands in parentheses and may hold spaces; the process group is the 5th field, user
    // and system time are the 14th and 15th (proc(5)).
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if fields.nth(2)? != group {
        return None;
    }
    let user: u32 = fields.nth(8)?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

fn kibibytes(status: &str, name: &str) -> usize {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_ascii_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}
