//! What the process asks of the operating system for itself: descriptors, and silence after a crash.
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Lets the process have as many descriptors as it may, and leaves no memory behind when it dies:
/// a core file would hold what no log may. Returns how many descriptors it may have.
pub fn harden() -> u64 {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!(%error, "failed to make the process undumpable");
    }
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "failed to switch core files off");
    }
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 0;
    };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(%error, soft, "failed to raise the limit of descriptors");
            soft
        }
    }
}
