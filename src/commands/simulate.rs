//! `holdline simulate`: the simulated gateway as a process of its own, for a merchant's tests.
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Exit;
use crate::drain::Drain;
use crate::simulator::faults::{Rule, table};
use crate::simulator::{
    Gateway, Latency, PollUrls, RefusalBody, Running, RunningRepeat, Settings, Shop, TaskRepeat,
    Validation,
};
use crate::timing::Clock;

/// How long open connections may go on after a signal: a test's end should not wait for it.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The switches of the simulated gateway. Their defaults are what the vendor documents, or what
/// was seen in traffic.
#[derive(Clone, Debug, clap::Args)]
#[command(
    about = "Simulate a beGateway gateway, for tests",
    after_help = help(),
)]
pub struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A further shop, as ID:KEY; the vendor's demo shop 361 is always there
    #[arg(long = "shop", value_name = "ID:KEY")]
    shops: Vec<Shop>,
    /// Of every random draw; without it each start draws its own, so that no task's id comes again
    #[arg(long)]
    seed: Option<u64>,
    /// How long a task takes, in milliseconds: fixed:MS, uniform:FROM,TO, exponential:MEAN,
    /// log-normal:MEDIAN,SIGMA or bimodal:FAST,SLOW,SHARE
    #[arg(long, default_value = "fixed:500")]
    latency: Latency,
    /// How long every answer is on its way, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    round_trip: u64,
    /// Fault words that each submit gets by chance, such as "0.05 swallow"; may stand several times
    #[arg(long = "fault", value_name = "PROBABILITY WORDS")]
    faults: Vec<Rule>,
    /// The origin that poll URLs show; without it the one that the request names
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// How long a 200 result and a RequestID are kept, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    retention: u64,
    /// Two payments of one amount and card within so many seconds are a duplicate; 0 is never
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    duplicate_window: u64,
    /// The code of an acceptance
    #[arg(long, value_name = "CODE", default_value_t = 200, value_parser = code())]
    accepted_code: u16,
    /// A v3 acceptance carries "code": 8010
    #[arg(long)]
    accepted_v3_code: bool,
    /// The code of a status while the task runs
    #[arg(long, value_name = "CODE", default_value_t = 200, value_parser = code())]
    running_status_code: u16,
    /// The code of a result while the task runs
    #[arg(long, value_name = "CODE", default_value_t = 425, value_parser = code())]
    running_result_code: u16,
    /// Polls need no credentials
    #[arg(long)]
    open_polls: bool,
    /// A status poll does not spend a once-only answer
    #[arg(long)]
    status_keeps: bool,
    /// What a repeated RequestID does on /async: ignored, same, conflict, blocks or same-but-children
    #[arg(long, value_name = "KIND", default_value = "same")]
    task_repeat: TaskRepeat,
    /// What it does on the synchronous interface meanwhile: ignored, conflict or blocks
    #[arg(long, value_name = "KIND", default_value = "blocks")]
    running_repeat: RunningRepeat,
    /// Where an invalid request is told so on /async: submit or result
    #[arg(long, value_name = "KIND", default_value = "submit")]
    validation: Validation,
    /// What a query finds of a transaction that still runs: hidden or incomplete
    #[arg(long, value_name = "KIND", default_value = "hidden")]
    running: Running,
    /// The body of 401, 403 and 429: standard, message, html or empty
    #[arg(long, value_name = "KIND", default_value = "standard")]
    refusal_body: RefusalBody,
    /// Poll URLs: absolute, relative, foreign, status-only, response-only or none
    #[arg(long, value_name = "KIND", default_value = "absolute")]
    poll_urls: PollUrls,
}

fn code() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(200..=599)
}

fn help() -> String {
    format!(
        "Test cards: 4200000000000000 succeeds, 4005550000000019 is declined, 4012000000003010 \
         waits for 3-D Secure.\n\n\
         Control: GET /__ledger tells what truly happened; POST /__reset forgets it; POST /__finish \
         and /__finish/REQUEST_ID end held tasks; POST /__next gives the fault words of its body to \
         the next submit.\n\n\
         Fault words stand in the request's description (or reason), in a Simulate field, or in \
         --fault, with spaces between them.\n\n{}",
        table()
    )
}

impl Args {
    fn settings(self) -> Settings {
        let mut settings = Settings {
            seed: self.seed.unwrap_or_else(|| fastrand::u64(..)),
            latency: self.latency,
            round_trip: Duration::from_millis(self.round_trip),
            faults: self.faults,
            epoch: None,
            public_url: self.public_url,
            retention: Duration::from_secs(self.retention),
            key_retention: Duration::from_secs(self.retention),
            duplicate_window: Duration::from_secs(self.duplicate_window),
            accepted_code: self.accepted_code,
            accepted_v3_code: self.accepted_v3_code,
            running_status_code: self.running_status_code,
            running_result_code: self.running_result_code,
            poll_authorization: !self.open_polls,
            status_spends: !self.status_keeps,
            task_repeat: self.task_repeat,
            running_repeat: self.running_repeat,
            validation: self.validation,
            running: self.running,
            refusal_body: self.refusal_body,
            poll_urls: self.poll_urls,
            ..Settings::default()
        };
        settings.shops.extend(self.shops);
        settings
    }
}

/// Serves until SIGINT or SIGTERM, having written the address to `out` once it accepts connections.
pub async fn run(args: &Args, out: &mut impl Write) -> std::io::Result<Exit> {
    // Before the address is told: whoever reads it may send a signal at once.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;
    let clock = Clock::start();
    let gateway = Gateway::new(args.clone().settings(), clock);
    let drain = Drain::new();
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;
    tokio::select! {
        () = gateway.serve(listener, drain.clone()) => {}
        () = signalled(&mut interrupt, &mut terminate) => {}
    }
    drain.begin();
    tokio::select! {
        () = drain.finished() => {}
        () = clock.sleep_until(clock.now() + LAST_ANSWERS) => drain.end(),
    }
    drain.finished().await;
    Ok(Exit::Success)
}

async fn signalled(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches};
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpStream, UnixStream};

    use super::*;

    fn command() -> Command {
        Args::augment_args(Command::new("simulate"))
    }

    fn args(words: &[&str]) -> Result<Args, clap::Error> {
        let words = std::iter::once(&"simulate").chain(words);
        Args::from_arg_matches(&command().try_get_matches_from(words)?)
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let settings = args(&["--seed=0"]).unwrap().settings();
        assert_eq!(
            format!("{settings:?}"),
            format!("{:?}", Settings::default())
        );
    }

    #[test]
    fn each_start_draws_a_seed_of_its_own_where_none_is_given() {
        let seed = |words: &[&str]| args(words).unwrap().settings().seed;
        assert_ne!(seed(&[]), seed(&[]));
        assert_eq!(seed(&["--seed=7"]), 7);
    }

    #[test]
    fn every_switch_is_read_and_what_is_wrong_is_refused() {
        let settings = args(&[
            "--shop=362:key",
            "--latency=uniform:10,20",
            "--fault=0.5 swallow",
            "--open-polls",
            "--task-repeat=blocks",
            "--accepted-code=202",
        ])
        .unwrap()
        .settings();
        assert_eq!((settings.shops.len(), settings.faults.len()), (2, 1));
        assert_eq!(settings.task_repeat, TaskRepeat::Blocks);
        assert_eq!(
            (settings.accepted_code, settings.poll_authorization),
            (202, false)
        );
        for wrong in [
            "--fault=swallow",
            "--latency=slow",
            "--accepted-code=99",
            "--shop=362",
        ] {
            assert!(args(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_help_shows_the_fault_words() {
        let help = command().render_long_help().to_string();
        assert!(help.contains(&table().to_string()));
    }

    #[tokio::test]
    async fn the_address_is_told_once_connections_are_accepted() {
        let no_switches = args(&[]).unwrap();
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut lines = BufReader::new(UnixStream::from_std(ours).unwrap()).lines();
        let asking = async {
            let line = lines.next_line().await.unwrap().unwrap();
            let address = line.strip_prefix("listening on http://").unwrap();
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = b"GET /__ledger HTTP/1.1\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        tokio::select! {
            ended = run(&no_switches, &mut theirs) => panic!("{ended:?}"),
            answer = asking => assert!(answer.starts_with("HTTP/1.1 200 OK")),
        }
    }
}
