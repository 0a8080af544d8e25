//! `holdline probe`: what does this gateway do where its documentation is silent?
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

use super::{Exit, Source};
use crate::app;
use crate::config::{Gateway, Resolved, Span};
use crate::drain::Drain;
use crate::probe::{Cards, Report, Secrets, Shop, interview};
use crate::telemetry::with_causes;
use crate::timing::Clock;
use crate::upstream;

/// Where clients connect to in what is printed, if no file says it.
const LISTEN: &str = "127.0.0.1:8080";

/// Whom to ask, and as which shop.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The configuration file with the gateway
    #[arg(long, value_name = "FILE", conflicts_with = "upstream")]
    config: Option<PathBuf>,

    /// `--upstream`.
    #[arg(
        long,
        value_name = "ORIGIN",
        help = "The gateway's origin, like https://gateway.example"
    )]
    upstream: Option<String>,

    /// Which gateway of the file, or a known brand's name
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,

    /// The shop's id
    #[arg(long, value_name = "ID")]
    shop: String,

    /// `--secret`.
    #[arg(
        long,
        value_name = "REFERENCE",
        help = "Where the shop's secret key is: env:NAME or file:PATH"
    )]
    secret: Secret,

    /// States that this is a test shop: on a live one the payments might be charged
    #[arg(long, required = true)]
    test_shop: bool,

    /// The number of a test card whose payments succeed
    #[arg(long, value_name = "NUMBER", default_value = "4200000000000000")]
    card: String,

    /// The number of a test card whose payments are declined
    #[arg(long, value_name = "NUMBER", default_value = "4005550000000019")]
    declined_card: String,

    /// The currency that the shop takes
    #[arg(long, value_name = "CODE", default_value = "USD")]
    currency: String,

    /// How long one answer, or the end of one payment, is waited for
    #[arg(long, value_name = "SPAN", default_value = "1m")]
    patience: Span,
}

/// Where a secret is.
#[derive(Clone, Debug)]
enum Secret {
    Environment(String),
    File(PathBuf),
}

impl FromStr for Secret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            // The text is not told: it may be the secret.
            Some(_) | None => Err("write env:NAME or file:PATH, never the secret itself"),
        }
    }
}

impl Secret {
    fn read(&self) -> Result<String, String> {
        let read = match self {
            Self::Environment(name) => std::env::var(name)
                .map_err(|error| format!("the environment variable {name}: {error}")),
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("the file {}: {error}", path.display())),
        };
        let secret = read?.trim_end_matches(['\r', '\n']).to_owned();
        if secret.is_empty() {
            return Err("the secret key is empty".to_owned());
        }
        Ok(secret)
    }
}

/// Asks the gateway. The report goes to `out`, its progress and what failed to `complaints`.
pub async fn run(
    args: &Args,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    let resolved = match args.source().read() {
        Ok(resolved) => resolved,
        Err(faults) => {
            write!(complaints, "holdline: {faults}")?;
            return Ok(Exit::Config);
        }
    };
    match ask(args, &resolved, complaints).await {
        Ok(report) => {
            write!(out, "{report}")?;
            Ok(Exit::Success)
        }
        Err(why) => {
            writeln!(complaints, "holdline: {why}")?;
            Ok(Exit::Failure)
        }
    }
}

async fn ask(
    args: &Args,
    resolved: &Resolved,
    progress: &mut impl Write,
) -> Result<String, String> {
    let gateway = args.chosen(&resolved.config.gateways)?;
    let (clock, drain) = (Clock::start(), Drain::new());
    let metrics = upstream::Metrics::default();
    let config = &resolved.config.upstream;
    let client = app::client(gateway, config, clock, &drain, &metrics)
        .map_err(|error| with_causes(&error))?;
    let secret = args.secret.read()?;
    let shop = Shop {
        client,
        secrets: Secrets::basic(&args.shop, &secret).ok_or("the credentials fit no field")?,
        clock,
        patience: args.patience.0,
    };
    let cards = Cards {
        approved: args.card.clone(),
        declined: args.declined_card.clone(),
        currency: args.currency.clone(),
    };
    let upstream = gateway.origin.to_string();
    let findings = interview(&shop, cards, |step| {
        // Nobody waits for these words.
        let _ = writeln!(progress, "asking {upstream}: {step}");
    });
    let findings = findings
        .await
        .map_err(|why| format!("the first payment at {upstream}: {why}"))?;
    let report = Report {
        name: &gateway.name,
        listen: gateway.listen,
        upstream: &upstream,
        findings: &findings,
    };
    Ok(report.to_string())
}

impl Args {
    fn source(&self) -> Source {
        let listen = self.config.is_none().then(|| LISTEN.to_owned());
        Source {
            config: self.config.clone(),
            upstream: self.upstream.clone(),
            name: self.gateway.clone().filter(|_| self.config.is_none()),
            listen,
            in_memory: true,
        }
    }

    fn chosen<'a>(&self, gateways: &'a [Gateway]) -> Result<&'a Gateway, String> {
        match (&self.gateway, gateways) {
            (None, [only]) => Ok(only),
            (None, _) => Err("there are several gateways: choose one with --gateway".to_owned()),
            (Some(name), _) => gateways
                .iter()
                .find(|gateway| gateway.name == *name)
                .ok_or_else(|| format!("the configuration has no gateway named {name}")),
        }
    }
}
