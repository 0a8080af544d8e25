//! The built binary as a process that is killed and started again on its own ports and files.
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};

use crate::stage::bench::until;

/// Short spans, so that every way of ending is seen within a second.
const SPANS: &str = "\
[hold]\ntimeout = \"1s\"\n\
[submit]\nstart = \"500ms\"\ntimeout = \"400ms\"\n\
[upstream]\nconnect_timeout = \"300ms\"\nanswer_timeout = \"300ms\"\nidle_timeout = \"250ms\"\n\
[polling]\nschedule = \"fixed\"\ninterval = \"30ms\"\nmax_interval = \"100ms\"\nunknown_grace = \"250ms\"\n\
[coalesce]\nquiet = \"200ms\"\n\
[drain]\ntimeout = \"1s\"\n";

/// A port that is ours while nobody listens on it: who binds it anew, as holdline does, may listen,
/// and nobody else is given it meanwhile.
struct Place {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl Place {
    fn take() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self {
            address: socket.local_addr()?,
            _socket: socket,
        })
    }
}

/// The tests' own variables would be taken for keys of the configuration.
fn forget_our_own(command: &mut Command) {
    let ours = std::env::vars().filter(|(name, _)| name.starts_with("HOLDLINE_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
}

/// One holdline, whose process comes and goes.
pub(crate) struct Holdline {
    directory: TempDir,
    clients: Place,
    operator: Place,
    /// What the process is started by, such as a tracer with its arguments; may be empty.
    pub(crate) by: Vec<String>,
    /// Further arguments of the command line.
    pub(crate) arguments: Vec<String>,
    /// Keys of the configuration that the environment sets, such as `SUBMIT__RESUBMITS`.
    pub(crate) keys: Vec<(&'static str, String)>,
    gateway: SocketAddr,
    child: Option<Child>,
}

impl Holdline {
    /// One that stands before `gateway` and has not been started.
    pub(crate) fn before(gateway: SocketAddr) -> Self {
        let holdline = Self {
            directory: tempfile::tempdir().unwrap(),
            clients: Place::take().unwrap(),
            operator: Place::take().unwrap(),
            by: Vec::new(),
            arguments: Vec::new(),
            keys: Vec::new(),
            gateway,
            child: None,
        };
        holdline.write(SPANS);
        holdline
    }

    /// Writes its configuration: where everything is, and `more`.
    pub(crate) fn write(&self, more: &str) {
        let (clients, operator) = (self.address(), self.operator());
        let (gateway, journal) = (self.gateway, self.journal());
        let text = format!(
            "[[gateway]]\nname = \"test\"\nlisten = \"{clients}\"\nupstream = \"http://{gateway}\"\n\
             [admin]\nlisten = \"{operator}\"\n[journal]\npath = \"{}\"\n{more}",
            journal.display()
        );
        fs::write(self.config(), text).unwrap();
    }

    /// Its configuration as it is written.
    pub(crate) fn configured(&self) -> String {
        fs::read_to_string(self.config()).unwrap()
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.clients.address
    }

    /// Where the operator asks.
    pub(crate) fn operator(&self) -> SocketAddr {
        self.operator.address
    }

    /// Where all its files are.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its journal.
    pub(crate) fn journal(&self) -> PathBuf {
        self.directory().join("holdline.redb")
    }

    /// The key of its journal.
    pub(crate) fn key(&self) -> PathBuf {
        self.directory().join("holdline.redb.key")
    }

    /// What tells when the newest of it is gone.
    pub(crate) fn mark(&self) -> PathBuf {
        self.directory().join("holdline.redb.last")
    }

    /// What was made durable last, and is not in the journal yet.
    pub(crate) fn wal(&self) -> PathBuf {
        self.directory().join("holdline.redb.wal")
    }

    /// What polling learned.
    pub(crate) fn law(&self) -> PathBuf {
        self.directory().join("holdline.redb.law")
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory().join("holdline.toml")
    }

    /// Everything that it said, on both outputs and in every life.
    pub(crate) fn said(&self) -> String {
        let said = fs::read(self.directory().join("said")).unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The lines of its log, of which the last may not be whole yet.
    pub(crate) fn log(&self) -> Vec<serde_json::Value> {
        let said = self.said();
        let lines = said.lines().map(serde_json::from_str);
        lines.map_while(Result::ok).collect()
    }

    fn output(&self) -> File {
        let path = self.directory().join("said");
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.unwrap()
    }

    /// Starts the process, without waiting until it listens.
    pub(crate) fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let binary = env!("CARGO_BIN_EXE_holdline").to_owned();
        let mut words = self.by.iter().cloned().chain([binary]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg("run").arg("--config");
        command.arg(self.config()).args(&self.arguments);
        forget_our_own(&mut command);
        let keys = self.keys.iter();
        let child = command
            .envs(keys.map(|(key, value)| (format!("HOLDLINE_{key}"), value)))
            .stdin(Stdio::null())
            .stdout(self.output())
            .stderr(self.output())
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// Starts the process and returns once it takes connections.
    pub(crate) async fn start(&mut self) {
        self.spawn();
        assert!(self.listens().await, "it ended: {}", self.said());
    }

    /// Returns true once it takes connections, false if it ended before.
    pub(crate) async fn listens(&mut self) -> bool {
        let address = self.address();
        loop {
            if self.has_ended() {
                return false;
            }
            if TcpStream::connect(address).await.is_ok() {
                return true;
            }
            let mut moment = tokio::time::interval(crate::stage::bench::ms(3));
            moment.tick().await;
            moment.tick().await;
        }
    }

    /// A command with this holdline's configuration, file and environment; its outputs are free.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdline"));
        forget_our_own(&mut command);
        let keys = self.keys.iter();
        command
            .args(words)
            .arg("--config")
            .arg(self.config())
            .envs(keys.map(|(key, value)| (format!("HOLDLINE_{key}"), value)))
            .stdin(Stdio::null());
        command
    }

    /// What a command says of the journal, and whether it was content.
    pub(crate) fn ask_journal(&self, words: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdline"));
        forget_our_own(&mut command);
        command.arg("journal").args(words);
        let said = command.arg("--journal").arg(self.journal()).output();
        let said = said.unwrap();
        let text = [said.stdout, said.stderr].concat();
        (
            said.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// What is wrong with the journal, if there is one and anything is.
    pub(crate) fn fault_of_journal(&self) -> Option<String> {
        if !self.journal().exists() {
            return None;
        }
        let (is_sound, said) = self.ask_journal(&["verify"]);
        (!is_sound).then_some(said)
    }

    /// True if the process is not there any more.
    pub(crate) fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// The id of the process that was started.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits until the process has ended; its code, if it has one.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        self.fallen().await.code()
    }

    /// The same; how it ended.
    pub(crate) async fn fallen(&mut self) -> ExitStatus {
        until("holdline ends", || self.has_ended()).await;
        self.child.take().unwrap().wait().unwrap()
    }

    /// SIGTERM, until the process has ended.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.ended().await
    }

    /// Sends a signal, as `kill` names it.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Holdline {
    fn drop(&mut self) {
        self.kill();
    }
}
