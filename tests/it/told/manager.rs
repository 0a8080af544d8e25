//! What a service manager is told, by a socket of the test's: systemd's `sd_notify(3)`.
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::killed::holdline::Holdline;
use crate::stage::bench::{PATIENCE, ms};
use crate::stage::upstream::upstream;

/// A manager and what it started.
struct Managed {
    socket: UnixDatagram,
    child: Child,
}

impl Managed {
    fn start(holdline: &Holdline, socket: UnixDatagram, name: &str, more: &[(&str, &str)]) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = holdline.command(&["run"]);
        command
            .env("NOTIFY_SOCKET", name)
            .envs(more.iter().copied());
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        Self { socket, child }
    }

    /// The lines of the next message, but for signs of life.
    fn told(&self) -> Vec<String> {
        loop {
            let told = self.any();
            if told != ["WATCHDOG=1"] {
                return told;
            }
        }
    }

    fn any(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("a message comes");
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bound(path: &Path) -> UnixDatagram {
    UnixDatagram::bind(path).unwrap()
}

/// The system's own monotonic clock in microseconds.
fn microseconds() -> u128 {
    let uptime = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    std::time::Duration::from(uptime).as_micros()
}

#[tokio::test]
async fn it_is_ready_when_it_listens_reloads_as_asked_and_says_that_it_stops() {
    let upstream = upstream(ms(1)).await;
    let holdline = Holdline::before(upstream.address);
    let path = holdline.directory().join("notify");
    let mut managed = Managed::start(&holdline, bound(&path), path.to_str().unwrap(), &[]);
    let listening = format!("STATUS=listening on {}", holdline.address());
    assert_eq!(managed.told(), ["READY=1", &listening]);
    std::net::TcpStream::connect(holdline.address()).unwrap();

    let before = microseconds();
    managed.signal("-HUP");
    let told = managed.told();
    assert_eq!((told[0].as_str(), told.len()), ("RELOADING=1", 3));
    let stamp: u128 = told[1]
        .strip_prefix("MONOTONIC_USEC=")
        .unwrap()
        .parse()
        .unwrap();
    assert!((before..=microseconds()).contains(&stamp), "{stamp}");
    assert_eq!(
        managed.told(),
        ["READY=1", "STATUS=reloaded: 0 keys changed"]
    );

    holdline.write("[hold]\ntimeout = \"soon\"\n");
    managed.signal("-HUP");
    assert_eq!(managed.told()[0], "RELOADING=1");
    let refused = "STATUS=reload refused: the old configuration stays";
    assert_eq!(managed.told(), ["READY=1", refused]);

    managed.signal("-TERM");
    assert_eq!(managed.told()[0], "STOPPING=1");
    assert_eq!(managed.child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn an_abstract_socket_is_told_too_and_gets_signs_of_life() {
    let upstream = upstream(ms(1)).await;
    let holdline = Holdline::before(upstream.address);
    let name = format!("holdline-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let watchdog = [("WATCHDOG_USEC", "200000")];
    let managed = Managed::start(&holdline, socket, &format!("@{name}"), &watchdog);
    assert_eq!(managed.any()[0], "READY=1");
    for _ in 0..3 {
        assert_eq!(managed.any(), ["WATCHDOG=1"]);
    }
}
