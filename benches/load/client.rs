//! A client: one connection, plain or TLS, and what it asks.
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use crate::Failure;

/// The name in the certificate.
pub(crate) const HOST: &str = "localhost";

/// The demo shop of the simulated gateway.
const AUTHORIZATION: &str = "Basic MzYxOmI4NjQ3YjY4ODk4YjA4NGI4MzY0NzRlZDhkNjFmZmUxMTdjOWEwMTE2OGQ4NjdmMjQ5NTNiNzc2ZGRjYjEzNGQ=";

/// From so many addresses clients come, each of which has ports for 28,000 connections.
const ADDRESSES: usize = 8;

/// How long anything may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where clients connect to.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    tls: Option<TlsConnector>,
}

/// An open connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

/// A payment, as a merchant's client sends it.
pub(crate) struct Payment {
    pub(crate) tracking_id: String,
    /// How long the gateway is to work on it.
    pub(crate) work: Duration,
}

impl Door {
    /// With the authority of the certificate clients speak TLS.
    pub(crate) fn new(address: SocketAddr, authority: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = authority else {
            return Ok(Self { address, tls: None });
        };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(path)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            address,
            tls: Some(TlsConnector::from(Arc::new(config))),
        })
    }

    /// Connects as the client of this number.
    pub(crate) async fn connect(&self, number: usize) -> Result<Connection, Failure> {
        tokio::time::timeout(PATIENCE, self.connected(number)).await?
    }

    async fn connected(&self, number: usize) -> Result<Connection, Failure> {
        let socket = TcpSocket::new_v4()?;
        let from = u8::try_from(number % ADDRESSES)?;
        socket.bind((Ipv4Addr::new(127, 0, 1, 1 + from), 0).into())?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => handshake(stream).await,
            Some(tls) => handshake(tls.connect(ServerName::try_from(HOST)?, stream).await?).await,
        }
    }
}

async fn handshake<IO>(io: IO) -> Result<Connection, Failure>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    // It ends with its sender; what went wrong is told to who asks.
    tokio::spawn(async move {
        let _told_to_the_sender = connection.await;
    });
    Ok(Connection { sender })
}

impl Connection {
    /// Sends a payment; returns the answer's body if it is the gateway's standard one.
    pub(crate) async fn pay(&mut self, payment: &Payment) -> Result<Bytes, Failure> {
        let body = payment.body();
        let request = Request::post("/transactions/payments")
            .header(header::HOST, HOST)
            .header(header::AUTHORIZATION, AUTHORIZATION)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(Full::from(body))?;
        let (status, body) = self.ask(request).await?;
        let whole = format!("\"tracking_id\":\"{}\"", payment.tracking_id);
        if status != StatusCode::OK {
            return Err(format!("answered with {status}").into());
        }
        if after(&body, &whole).is_none() {
            return Err("answered with another's transaction".into());
        }
        Ok(body)
    }

    /// Asks for something by its path.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Bytes, Failure> {
        let request = Request::get(path)
            .header(header::HOST, HOST)
            .body(Full::default())?;
        Ok(self.ask(request).await?.1)
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
        let answer = async {
            self.sender.ready().await?;
            let answer = self.sender.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, body))
        };
        Ok(tokio::time::timeout(PATIENCE, answer).await??)
    }
}

impl Payment {
    fn body(&self) -> String {
        let Self { tracking_id, work } = self;
        let work = work.as_millis();
        format!(
            "{{\"request\":{{\"amount\":1999,\"currency\":\"EUR\",\"description\":\"delay={work}\",\
             \"tracking_id\":\"{tracking_id}\",\"test\":true,\"language\":\"en\",\
             \"billing_address\":{{\"first_name\":\"Ada\",\"last_name\":\"Byron\",\"country\":\"GB\",\
             \"city\":\"London\",\"zip\":\"SW1A 1AA\",\"address\":\"12 St James's Square\"}},\
             \"credit_card\":{{\"number\":\"4200000000000000\",\"verification_value\":\"123\",\
             \"holder\":\"Ada Byron\",\"exp_month\":\"05\",\"exp_year\":\"2030\"}},\
             \"customer\":{{\"ip\":\"192.0.2.1\",\"email\":\"ada@example.com\"}}}}}}"
        )
    }
}

/// What stands behind `words`, up to the end.
pub(crate) fn after<'a>(body: &'a [u8], words: &str) -> Option<&'a [u8]> {
    let at = body
        .windows(words.len())
        .position(|window| window == words.as_bytes())?;
    body.get(at + words.len()..)
}
