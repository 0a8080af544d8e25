//! `holdline demo`: a simulated gateway and holdline before it, and a line that shows them at work.
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

use super::{Exit, run};
use crate::app::App;
use crate::config::{self, Flags, Resolved, Span};
use crate::drain::Drain;
use crate::process::{Notifier, Signals};
use crate::simulator::{Gateway, Latency, Settings};
use crate::telemetry;
use crate::timing::Clock;

/// Where the demo listens and how slow its gateway is.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where clients connect to; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How long the simulated gateway works on a payment
    #[arg(long, value_name = "SPAN", default_value = "3s")]
    delay: Span,
}

/// Serves the demo until SIGINT or SIGTERM.
pub async fn run(
    args: &Args,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    let signals = Signals::listen()?;
    let clock = Clock::start();
    let settings = Settings {
        latency: Latency::Fixed(args.delay.0),
        // The gateway's own filter of duplicates would hide who keeps a payment from being charged
        // twice, and refuse whoever tries the line again.
        duplicate_window: Duration::ZERO,
        ..Settings::default()
    };
    let gateway = Gateway::new(settings, clock);
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let simulated = listener.local_addr()?;
    let drain = Drain::new();
    drain.spawn({
        let drain = drain.clone();
        async move { gateway.serve(listener, drain).await }
    });
    let (app, resolved) = match holdline(args.listen, simulated) {
        Ok(holdline) => holdline,
        Err(why) => {
            writeln!(complaints, "holdline: {why}")?;
            return Ok(Exit::Failure);
        }
    };
    let address = app.addresses().first().copied().unwrap_or(args.listen);
    write!(
        out,
        "{}",
        instructions(address, simulated, app.admin_address())
    )?;
    out.flush()?;
    // No file was read, so nothing else can be read again.
    let read = move || Ok(resolved.clone());
    let ending = run::serve(app, signals, &Notifier::default(), read).await;
    drain.begin();
    drain.end();
    drain.finished().await;
    Ok(ending.into())
}

/// holdline as its defaults are, before the simulated gateway.
fn holdline(listen: SocketAddr, upstream: SocketAddr) -> Result<(App, Resolved), String> {
    let flags = Flags {
        listen: Some(listen.to_string()),
        upstream: Some(format!("http://{upstream}")),
        name: Some("demo".to_owned()),
        in_memory: true,
    };
    let mut resolved = config::resolve(None, [], &flags).map_err(|faults| faults.to_string())?;
    let config = &mut resolved.config;
    config.admin.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.log.format = telemetry::Format::Text;
    let levels = telemetry::install(&config.log).map_err(|error| error.to_string())?;
    let app =
        App::with_log(config.clone(), Some(levels)).map_err(
            |error| match std::error::Error::source(&error) {
                Some(source) => {
                    format!("{error}: {source}; --listen 127.0.0.1:0 takes a free port")
                }
                None => error.to_string(),
            },
        )?;
    Ok((app, resolved))
}

fn instructions(address: SocketAddr, gateway: SocketAddr, admin: Option<SocketAddr>) -> String {
    let admin = admin.map(|at| {
        format!(
            "What the operator sees: http://{at}/\n\
             Metrics and tasks: http://{at}/metrics, /tasks\n"
        )
    });
    format!(
        "A simulated gateway works at http://{gateway}, and holdline before it at http://{address}.
Pay, and wait for the answer as if the gateway were quick:

curl -i -u 361:{key} -H 'Content-Type: application/json' \\
  http://{address}/transactions/payments \\
  -d '{{\"request\":{{\"amount\":100,\"currency\":\"USD\",\"description\":\"demo\",\
\"tracking_id\":\"demo-1\",\"credit_card\":{{\"number\":\"4200000000000000\",\
\"verification_value\":\"123\",\"holder\":\"John Doe\",\"exp_month\":\"01\",\
\"exp_year\":\"2030\"}}}}}}'

What the gateway has done: curl http://{gateway}/__ledger
{admin}End with Ctrl-C.

",
        key = crate::simulator::DEMO_KEY,
        admin = admin.unwrap_or_default(),
    )
}
