//! Whom the commands about exchanges ask: the running holdline, or the file that nobody holds.
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::mpsc;

use super::Exit;
use crate::control::{Ask, Client, ClientError, Desk, End, Line, Reply};
use crate::journal::{ReadOnlyDisk, Reader, SystemDisk};
use crate::telemetry::with_causes;
use crate::timing::{Clock, Stamp, Stamps};
use crate::{config, control, journal};

/// Where the journal is. Without either flag `[journal]` counts, from the environment or its
/// default.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Target {
    /// The configuration file that the running holdline was started with
    #[arg(long, value_name = "FILE", conflicts_with = "journal")]
    pub config: Option<PathBuf>,

    /// The journal's file
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
}

/// Takes one line of an answer.
pub(super) type Print<'a> = dyn FnMut(Line) -> io::Result<()> + 'a;

/// Lines of an answer that are ready before the one that is printed.
const AN_ANSWER: usize = 8;

/// Lines of an answer that are read before the first is printed: some tens of megabytes at most.
const READ_AHEAD: usize = 100_000;

/// Asks, and hands each line of the answer to `print`. What went wrong is told in one line.
pub(super) async fn ask(
    target: &Target,
    question: Ask,
    print: &mut Print<'_>,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    let (journal, socket) = match target.read() {
        Ok(places) => places,
        Err((exit, why)) => return complain(complaints, exit, &why),
    };
    let told = match Client::ask(&socket, &question).await {
        Ok(mut client) => hear(&mut client, &question, print).await,
        Err(ClientError::Nobody) => {
            let nobody = target.nobody(&socket);
            on_file(&journal, &nobody, question, print, complaints).await
        }
        Err(error) => Ok(Err(lost(&error, &question))),
    };
    match told {
        Ok(Ok(())) => Ok(Exit::Success),
        Ok(Err(why)) => complain(complaints, Exit::Failure, &why),
        // Whoever reads, like `head`, has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Success),
        Err(error) => Err(error),
    }
}

/// Prints a part of an answer as a line of JSON.
pub(super) fn json_line(out: &mut impl Write, part: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, part)?;
    writeln!(out)
}

fn complain(complaints: &mut impl Write, exit: Exit, why: &str) -> io::Result<Exit> {
    writeln!(complaints, "holdline: {why}")?;
    Ok(exit)
}

impl Target {
    /// The journal and the control socket, or why they are not known, and what that ends with.
    fn read(&self) -> Result<(journal::Config, PathBuf), (Exit, String)> {
        let (journal, control) = match &self.journal {
            // It is asked for at its own socket, whatever the environment says.
            Some(path) => {
                let path = path.clone();
                let journal = journal::Config {
                    path,
                    ..journal::Config::default()
                };
                (journal, control::Config::default())
            }
            None => self.configured().map_err(|why| (Exit::Config, why))?,
        };
        let socket = control.path(journal.file()).ok_or_else(|| {
            let why = "this configuration keeps nothing on disk and has no control socket: nothing can be asked";
            (Exit::Failure, why.to_owned())
        })?;
        Ok((journal, socket))
    }

    fn configured(&self) -> Result<(journal::Config, control::Config), String> {
        let file = self.config.as_deref();
        let config = config::sections(file, std::env::vars_os(), &["journal", "control"]);
        let config = config.map_err(|faults| faults.to_string())?;
        Ok((config.journal, config.control))
    }

    /// The flags that name the same place again.
    pub(super) fn flags(&self) -> String {
        let flag = |name: &str, path: &Option<PathBuf>| {
            let path = path.as_ref();
            path.map_or_else(String::new, |path| format!(" {name} {}", path.display()))
        };
        flag("--config", &self.config) + &flag("--journal", &self.journal)
    }

    /// Says that nobody listens, and how to ask another one if none was named.
    fn nobody(&self, socket: &Path) -> String {
        let hint = match (&self.config, &self.journal) {
            (None, None) => " (--config names the file of another one)",
            (Some(_), _) | (_, Some(_)) => "",
        };
        let socket = socket.display();
        format!("no holdline listens at the control socket {socket}{hint}")
    }
}

/// Hands on what a running holdline answers.
async fn hear(
    client: &mut Client,
    question: &Ask,
    print: &mut Print<'_>,
) -> io::Result<Result<(), String>> {
    loop {
        match client.next().await {
            Ok(Reply::Line(line)) => print(line)?,
            Ok(Reply::End(End::Done)) => return Ok(Ok(())),
            Ok(Reply::End(End::Failed(why))) => return Ok(Err(why)),
            Err(error) => return Ok(Err(lost(&error, question))),
        }
    }
}

/// Why there is no answer, and what may have become of the question.
fn lost(error: &ClientError, question: &Ask) -> String {
    let why = with_causes(error);
    match question {
        Ask::Resolve { .. } => {
            format!("{why}. The verdict may hold all the same, or come to: journal show tells")
        }
        Ask::Log { levels: Some(_) } => {
            format!("{why}. The levels may change all the same: holdline log tells")
        }
        Ask::Log { levels: None }
        | Ask::List { .. }
        | Ask::Show { .. }
        | Ask::Explain { .. }
        | Ask::Verify
        | Ask::Polling { .. } => why,
    }
}

/// Reads the file itself, or writes a verdict into it. Its lock is held meanwhile, so that no holdline
/// starts on it.
async fn on_file(
    config: &journal::Config,
    nobody: &str,
    question: Ask,
    print: &mut Print<'_>,
    complaints: &mut impl Write,
) -> io::Result<Result<(), String>> {
    let why = |words: &str| Ok(Err(format!("{nobody}{words}")));
    let is_read = match question {
        Ask::Log { .. } => return why(": log.level counts from its next start on"),
        Ask::Polling { .. } => return why(": only a running one tells how it polls"),
        Ask::List { .. } | Ask::Show { .. } | Ask::Explain { .. } | Ask::Verify => true,
        Ask::Resolve { .. } => false,
    };
    if config.in_memory {
        return why(", and this configuration keeps nothing on disk");
    }
    if !config.path.exists() {
        let path = config.path.display();
        return why(&format!(
            ", and there is no journal at {path}; with --in-memory nothing is kept"
        ));
    }
    let path = std::path::absolute(&config.path).unwrap_or_else(|_| config.path.clone());
    let path = path.display();
    writeln!(
        complaints,
        "holdline: {nobody}: the journal {path} is asked itself"
    )?;
    keep_panics_of_redb_quiet();
    if !is_read && let Some(missing) = config.files().into_iter().find(|it| !it.exists()) {
        // It would be made here, and be root's where root gives the verdict: no holdline could open it.
        let missing = missing.display();
        return why(&format!(
            ", and {missing} is not there: start holdline, or bring it back"
        ));
    }
    if is_read {
        read(config, question, print).await
    } else {
        write(config, question, print).await
    }
}

/// redb panics over some damaged pages. That is caught and told in words; a backtrace before them
/// would only hide them.
fn keep_panics_of_redb_quiet() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_of_redb = panic
            .location()
            .is_some_and(|it| it.file().contains("/redb-"));
        if !is_of_redb {
            tell(panic);
        }
    }));
}

async fn read(
    config: &journal::Config,
    question: Ask,
    print: &mut Print<'_>,
) -> io::Result<Result<(), String>> {
    let mut reader = match Reader::open(config, Arc::new(ReadOnlyDisk)) {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(with_causes(&error))),
    };
    let (tell, told) = mpsc::channel(AN_ANSWER);
    let reading =
        async move { control::read(&mut reader, question, Stamp::of_this_system(), &tell).await };
    let (read, printed) = tokio::join!(reading, printed_at_the_end(told, print));
    printed.map(|()| read)
}

/// Opens the journal as a holdline would, and appends to it. What it forgets and how long it may become is
/// its holdline's to say: nothing is forgotten here, and it grows by no more than a record must have.
async fn write(
    config: &journal::Config,
    question: Ask,
    print: &mut Print<'_>,
) -> io::Result<Result<(), String>> {
    let clock = Clock::start();
    let stamps = Stamps::of_this_system(clock);
    let max_bytes = std::fs::metadata(&config.path).map_or(config.max_bytes, |file| file.len());
    let config = config.clone();
    let parts = journal::Parts {
        config: journal::Config {
            max_bytes,
            ..config
        },
        retention: None,
        disk: Arc::new(SystemDisk),
        clock,
        stamps,
        metrics: journal::Metrics::default(),
    };
    let opened = match journal::open(parts, drop) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(with_causes(&error))),
    };
    let desk = Desk::alone(opened.journal.clone(), stamps);
    let (tell, told) = mpsc::channel(AN_ANSWER);
    let asking = async move {
        let answered = desk.answer(question, &tell).await;
        drop(tell);
        opened.journal.close().await;
        answered
    };
    let ((), answered, printed) = tokio::join!(opened.writer.run(), asking, printed(told, print));
    printed.map(|()| answered)
}

/// Hands on what was read once all of it is, or as much as may be kept: a pager that is not read on stops
/// the printing, and until the reading has ended no holdline can open the journal.
async fn printed_at_the_end(
    mut told: mpsc::Receiver<Line>,
    print: &mut Print<'_>,
) -> io::Result<()> {
    let mut ahead = Vec::new();
    while ahead.len() < READ_AHEAD
        && let Some(line) = told.recv().await
    {
        ahead.push(line);
    }
    ahead.into_iter().try_for_each(&mut *print)?;
    printed(told, print).await
}

/// Hands on what this process answers itself. Where a line cannot be printed nobody listens any more,
/// and the answer ends.
async fn printed(mut told: mpsc::Receiver<Line>, print: &mut Print<'_>) -> io::Result<()> {
    while let Some(line) = told.recv().await {
        print(line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn the_file_is_read_to_its_end_before_anything_is_printed() {
        let (tell, told) = mpsc::channel(AN_ANSWER);
        let (has_ended, lines) = (&Cell::new(false), &Cell::new(0));
        let reading = async move {
            for level in 0..100 {
                tell.send(Line::Levels(level.to_string())).await.unwrap();
            }
            has_ended.set(true);
        };
        let mut print = |_| {
            assert!(has_ended.get(), "a pager would keep the journal open");
            lines.set(lines.get() + 1);
            Ok(())
        };
        let ((), printed) = tokio::join!(reading, printed_at_the_end(told, &mut print));
        printed.unwrap();
        assert_eq!(lines.get(), 100);
    }
}
