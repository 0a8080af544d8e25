//! strace, which fails the system calls of a process, or kills it at one of them.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::clients::is_here;
use crate::stage::bench::until;

/// The calls by which a file is written and made durable.
pub(super) const WRITES: &str = "write,pwrite64,writev,pwritev,ftruncate,fallocate";
pub(super) const SYNCS: &str = "fsync,fdatasync,sync_file_range";

/// True if strace is there.
pub(super) fn is_there() -> bool {
    is_here("strace", &["--version"])
}

/// A tracer that is attached to a process, whose calls on one file fail meanwhile.
pub(super) struct Tracer {
    child: Child,
    traced: u32,
}

impl Tracer {
    /// From now on these calls on the files fail with this error.
    pub(super) async fn fail(traced: u32, files: &[PathBuf], calls: &str, error: &str) -> Self {
        let child = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-p", &traced.to_string()])
            .args(files.iter().flat_map(|file| [Path::new("-P"), file]))
            .args(["-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:error={error}")])
            .stdin(Stdio::null())
            .spawn();
        let tracer = Self {
            child: child.unwrap(),
            traced,
        };
        until("strace is attached", || is_traced(traced)).await;
        tracer
    }

    /// The calls succeed again.
    pub(super) async fn end(mut self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(sent.success());
        let traced = self.traced;
        until("strace is detached", || !is_traced(traced)).await;
        self.child.wait().unwrap();
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // After an orderly end there is nobody left to kill.
        let _it_may_have_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// True if every thread of the process has a tracer, or false if the first has none.
fn is_traced(id: u32) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{id}/task")) else {
        return false;
    };
    tasks.flatten().all(|task| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        !status.contains("TracerPid:\t0\n")
    })
}
