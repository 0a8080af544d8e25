//! `holdline healthcheck`: does the operator's listener of a running holdline say that it lives?
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Exit;
use crate::config;
use crate::telemetry::Escaped;

/// How long the whole question may take: an answer that comes later is no sign of health, and
/// container runtimes ask every few seconds.
const DEADLINE: Duration = Duration::from_secs(2);

/// The longest text of an answer that is told: more than any that holdline's own listener gives.
const LONGEST: usize = 16 * 1024;

/// The path that says whether the process lives.
const PATH: &str = "/livez";

/// Whom to ask. Without either flag the address of `[admin]` counts, from the environment or its
/// default.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// The configuration file that the running holdline was started with
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub config: Option<PathBuf>,

    /// `--url`.
    #[arg(
        long,
        value_name = "URL",
        value_parser = http_url,
        help = "The URL to ask, like http://127.0.0.1:9900/livez"
    )]
    pub url: Option<Uri>,
}

fn http_url(text: &str) -> Result<Uri, String> {
    text.parse::<Uri>()
        .ok()
        .filter(|url| url.scheme() == Some(&Scheme::HTTP) && url.host().is_some())
        .ok_or_else(|| format!("write a URL like http://127.0.0.1:9900{PATH}"))
}

/// Asks once and says in one line what came of it.
pub async fn run(args: &Args, out: &mut impl Write) -> io::Result<Exit> {
    let url = match url(args) {
        Ok(url) => url,
        Err(why) => {
            writeln!(out, "not asked: {why}")?;
            return Ok(Exit::Failure);
        }
    };
    let answered = tokio::time::timeout(DEADLINE, ask(&url)).await;
    match answered.unwrap_or_else(|_| Err(format!("no answer within {DEADLINE:?}"))) {
        Ok((StatusCode::OK, _)) => {
            writeln!(out, "alive: {url} answered 200")?;
            Ok(Exit::Success)
        }
        Ok((status, text)) => {
            write!(out, "not alive: {url} answered {}", status.as_u16())?;
            let lines: Vec<_> = text.lines().map(|it| Escaped(it).to_string()).collect();
            if !lines.is_empty() {
                write!(out, ": {}", lines.join(", "))?;
            }
            writeln!(out)?;
            Ok(Exit::Failure)
        }
        Err(why) => {
            writeln!(out, "not alive: {url}: {why}")?;
            Ok(Exit::Failure)
        }
    }
}

/// The URL to ask, or why there is none.
fn url(args: &Args) -> Result<Uri, String> {
    if let Some(url) = &args.url {
        return Ok(url.clone());
    }
    let file = args.config.as_deref();
    let config = config::sections(file, std::env::vars_os(), &["admin"]).map_err(|faults| {
        faults
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    })?;
    let address = reachable(config.admin.listen);
    format!("http://{address}{PATH}")
        .parse()
        .map_err(|error| format!("{address} makes no URL: {error}"))
}

/// The address at which a listener on `listen` is reached from its own machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Asks `url` on a connection of its own: the status of the answer and the text in it, which is empty where
/// it does not come whole or is too long. The error says why there is no answer.
async fn ask(url: &Uri) -> Result<(StatusCode, String), String> {
    let host = url.host().unwrap_or_default();
    let authority = url.authority().map_or(host, |authority| authority.as_str());
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, url.port_u16().unwrap_or(80)))
        .await
        .map_err(words("failed to connect"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(words("failed to connect"))?;
    let path = url.path_and_query().map_or(PATH, |path| path.as_str());
    let request = Request::get(path)
        .header(header::HOST, authority)
        .body(Empty::<Bytes>::new())
        .map_err(words("failed to ask"))?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST).collect().await;
        let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
        Ok((status, text.unwrap_or_default()))
    };
    tokio::pin!(answer);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // The connection has ended, and with it the answer is whole or will never be.
        _ = connection => answer.await,
    };
    answer.map_err(words::<hyper::Error>("failed to ask"))
}

/// An error after what failed.
fn words<E: Display>(failed: &'static str) -> impl FnOnce(E) -> String {
    move |error| format!("{failed}: {error}")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Asks a listener that reads one head and gives `answer`; `None` never answers.
    async fn asked(answer: Option<&'static str>) -> (Exit, String) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            assert!(head.starts_with("get /livez http/1.1\r\n"), "{head}");
            assert!(head.contains(&format!("host: {address}\r\n")), "{head}");
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => std::future::pending().await,
            }
        };
        let args = Args {
            url: Some(format!("http://{address}/livez").parse().unwrap()),
            ..Args::default()
        };
        let mut out = Vec::new();
        let exit = {
            let asking = run(&args, &mut out);
            tokio::pin!(serve, asking);
            tokio::select! {
                exit = &mut asking => exit.unwrap(),
                () = &mut serve => asking.await.unwrap(),
            }
        };
        let line = String::from_utf8(out).unwrap();
        (exit, line.replace(&address.to_string(), "ADDRESS"))
    }

    #[tokio::test]
    async fn a_200_is_a_sign_of_life() {
        let (exit, line) = asked(Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!(exit, Exit::Success);
        assert_eq!(line, "alive: http://ADDRESS/livez answered 200\n");
    }

    #[tokio::test]
    async fn any_other_answer_is_none() {
        let (exit, line) = asked(Some("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!(exit, Exit::Failure);
        assert_eq!(line, "not alive: http://ADDRESS/livez answered 503\n");
    }

    #[tokio::test]
    async fn what_another_answer_says_is_told() {
        let answer =
            "HTTP/1.1 503 No\r\ncontent-length: 26\r\n\r\ndraining\njournal: \x1b[2Jgone\n";
        let (exit, line) = asked(Some(answer)).await;
        assert_eq!(exit, Exit::Failure);
        let told = "answered 503: draining, journal: \\u{1b}[2Jgone\n";
        assert_eq!(line, format!("not alive: http://ADDRESS/livez {told}"));
    }

    #[tokio::test]
    async fn a_body_without_an_end_keeps_nothing_from_being_told() {
        let answer = "HTTP/1.1 503 No\r\ncontent-length: 99999\r\n\r\ndraining";
        let (exit, line) = asked(Some(answer)).await;
        assert_eq!(exit, Exit::Failure);
        assert_eq!(line, "not alive: http://ADDRESS/livez answered 503\n");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_at_the_deadline() {
        let (exit, line) = asked(None).await;
        assert_eq!(exit, Exit::Failure);
        assert_eq!(
            line,
            "not alive: http://ADDRESS/livez: no answer within 2s\n"
        );
    }

    #[tokio::test]
    async fn a_closed_port_is_told() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url: Uri = format!("http://{}/livez", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        drop(listener);
        let refused = ask(&url).await.unwrap_err();
        assert!(refused.starts_with("failed to connect: "), "{refused}");
    }

    #[test]
    fn a_wildcard_is_asked_at_loopback() {
        let reachable = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(reachable("0.0.0.0:9900"), "127.0.0.1:9900");
        assert_eq!(reachable("[::]:9900"), "[::1]:9900");
        assert_eq!(reachable("10.0.0.1:9900"), "10.0.0.1:9900");
    }
}
