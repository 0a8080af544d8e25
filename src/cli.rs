//! The command line: what was asked for, run to its exit code.
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

use crate::commands::{
    Exit, Source, Unheard, cert, check, demo, explain, healthcheck, journal, log, polling, probe,
    resolve, run, simulate,
};

/// What `--help` says below the list of commands.
const AFTER_HELP: &str = "\
Precedence: a flag wins over an environment variable, and that over the file. Every key of the
file has its variable: hold.timeout is HOLDLINE_HOLD__TIMEOUT, and a gateway's upstream is
HOLDLINE_GATEWAY__UPSTREAM, or HOLDLINE_GATEWAY__0__UPSTREAM where there are several.

Exit codes: 0 done, 1 failed, 64 the command line is wrong, 74 the disk did not take what was
written last, 78 the configuration is wrong. Where only a file of a certificate that it names does
not read or fit, run exits with 1, since another start may find it whole, and check with 78.";

/// Holds a synchronous payment request while the gateway works asynchronously.
#[derive(Debug, Parser)]
#[command(name = "holdline", version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hold the requests of clients while the gateway works
    ///
    /// Listens for clients, submits each payment to the asynchronous interface of the gateway,
    /// polls, and gives the standard answer on the connection that it held. SIGTERM or SIGINT
    /// drains; at a second one nothing that waits is waited for, but the last answers and the
    /// journal have a few seconds yet.
    Run(Source),
    /// Show it at work: a simulated gateway, holdline before it, and a curl line that works
    Demo(demo::Args),
    Simulate(simulate::Args),
    /// Find out what a gateway does where its documentation is silent, with a test shop
    ///
    /// Makes some eight payments and refunds, all marked as tests, and prints what came of them as a
    /// configuration; its comments are the findings. Have the shop's test cards at hand.
    Probe(probe::Args),
    /// Tell whether a configuration is sound: all faults at once, or what is in force
    ///
    /// Binds nothing and contacts nobody. The configuration in force goes to the standard output
    /// as TOML, each key with the place that it comes from; warnings and faults go to the standard
    /// error. Exits with 0, or with 78 if there is a fault.
    Check(Source),
    /// Make a certificate and a local authority, for clients that write https:// themselves
    ///
    /// Makes ca.pem, ca.key, HOST.pem and HOST.key, overwrites nothing, and prints what to do with
    /// them. The authority can sign for these hosts alone. Where its files are there already, only
    /// the next certificate is made.
    Cert(cert::Args),
    /// Ask a running holdline whether it lives
    ///
    /// Asks /livez of the operator's listener, or --url, says in one line what came of it, with the
    /// words of an answer other than 200, and exits with 0 or 1. Made for container runtimes: the
    /// image needs no curl.
    Healthcheck(healthcheck::Args),
    /// Look into the journal: what is under way, undelivered or in doubt
    ///
    /// Asks the running holdline over its control socket; while none runs, the file itself is read.
    /// No body, answer or credential is ever shown.
    #[command(subcommand)]
    Journal(journal::Command),
    /// Tell what happened to one exchange, step by step, and why
    ///
    /// Why it began or was joined, when it was sent, what each poll brought, who was told, and
    /// whether the answer arrived. Asks the running holdline, which knows every step of what runs or
    /// ended a moment ago; of others the journal has the records.
    Explain(explain::Args),
    /// Show how polling stands: what was learned of each route, what it costs, what is possible
    ///
    /// Asks the running holdline over its control socket. A table of the routes; for the first of
    /// them the curve of the least delay for so many polls, with the plan in force, what was
    /// measured and what a fixed interval would bring, and the learned law of how long tasks take.
    Polling(polling::Args),
    /// Show or change the levels of a running holdline's log
    ///
    /// Over its control socket, and told in the log. They hold until SIGHUP or the next start, when
    /// log.level counts again. Libraries are never heard below warnings, so no level shows a body or
    /// a credential.
    Log(log::Args),
    /// Say what became of an exchange that is in doubt
    ///
    /// After you have looked it up at the gateway. The verdict and its reason are recorded.
    Resolve(resolve::Args),
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => obey(&cli.command).unwrap_or_else(|error| failed(&error)),
        // clap's own code for a wrong command line is 2; help and version are no faults.
        Err(told) => match told.print() {
            Ok(()) if !told.use_stderr() => Exit::Success,
            Ok(()) | Err(_) => Exit::Usage,
        },
    };
    exit.into()
}

fn obey(command: &Command) -> io::Result<Exit> {
    let (mut out, mut complaints) = (io::stdout(), Unheard(io::stderr()));
    match command {
        Command::Run(source) => block_on(run::run(source, &mut complaints)),
        Command::Demo(args) => block_on(demo::run(args, &mut out, &mut complaints)),
        Command::Simulate(args) => block_on(simulate::run(args, &mut out)),
        Command::Probe(args) => block_on(probe::run(args, &mut Unheard(out), &mut complaints)),
        Command::Check(source) => check::run(source, &mut Unheard(out), &mut complaints),
        Command::Cert(args) => cert::run(args, &mut Unheard(out), &mut complaints),
        Command::Journal(command) => block_on(journal::run(command, &mut out, &mut complaints)),
        Command::Explain(args) => block_on(explain::run(args, &mut out, &mut complaints)),
        Command::Log(args) => block_on(log::run(args, &mut out, &mut complaints)),
        Command::Polling(args) => block_on(polling::run(args, &mut out, &mut complaints)),
        Command::Resolve(args) => block_on(resolve::run(args, &mut out, &mut complaints)),
        Command::Healthcheck(args) => block_on(healthcheck::run(args, &mut Unheard(out))),
    }
}

/// Runs a command on the one thread that everything runs on: a held request needs no other. What
/// still blocks afterwards, like a name that is being looked up, is not waited for.
fn block_on(command: impl Future<Output = io::Result<Exit>>) -> io::Result<Exit> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let exit = runtime.block_on(command);
    runtime.shutdown_background();
    exit
}

fn failed(error: &io::Error) -> Exit {
    // Where even this cannot be written the exit code has to say it alone.
    let _ = writeln!(io::stderr(), "holdline: {error}");
    Exit::Failure
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
