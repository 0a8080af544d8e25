//! From an accepted socket to a session that is served, or to the words why there is none.
use std::convert::Infallible;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use tokio_rustls::TlsAcceptor;

use super::failure::Failure;
use super::keyring::Keyring;
use super::session::Session;
use crate::listener::connection::{self, Served};
use crate::listener::line::Line;
use crate::listener::parking::Reply;
use crate::listener::parting::dismiss;
use crate::listener::server::Terms;

/// The first byte of every TLS connection: a record with a handshake (RFC 8446 §5.1).
pub(in crate::listener) const HANDSHAKE: u8 = 0x16;

/// The answer to HTTP without TLS: the request may have crossed a network in clear text, and is not
/// served.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain\r\ncontent-length: 76\r\nconnection: close\r\n\r\n\
    This port speaks TLS: write https:// in the URL. The request was not served.";

/// Shakes hands within the deadline, and serves what comes then.
pub(in crate::listener) async fn serve<S>(keyring: Keyring, line: Arc<Line>, service: S)
where
    S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
{
    let terms = line.terms();
    let deadline = terms.clock.now() + terms.config.handshake_timeout;
    let shaken = tokio::select! {
        biased;
        // Of whoever has not shaken hands no request was read.
        () = terms.drain.ended() => return,
        never = becomes_late(terms) => match never {},
        () = line.broken() => Err((Failure::Closed, None)),
        shaken = shake(&keyring, &line) => shaken,
        () = terms.clock.sleep_until(deadline) => Err((Failure::Timeout, None)),
    };
    match shaken {
        Ok(session) => {
            line.begin();
            let served = Served::new(session, &line, service);
            connection::serve(served, line).await;
        }
        Err((failure, detail)) => {
            terms.fails(failure, detail.as_deref(), line.peer());
            match failure {
                Failure::PlainHttp => dismiss(&line, PLAIN_HTTP).await,
                Failure::Timeout | Failure::Closed | Failure::TlsOnPlain | Failure::Http2 => {}
                // The alert that says why has left, and a reset would take it along.
                Failure::NotTls
                | Failure::Version
                | Failure::Cipher
                | Failure::Protocol
                | Failure::Untrusted
                | Failure::ClientCertificateMissing
                | Failure::ClientCertificateRefused
                | Failure::Other => dismiss(&line, &[]).await,
            }
        }
    }
}

/// Counts a client among the late ones once a drain begins: it has its answer first, as on a plain
/// connection, and the stop does not wait for its hands.
async fn becomes_late(terms: &Terms) -> Infallible {
    terms.drain.begun().await;
    // Who came later is counted already.
    let _late = (!terms.is_late).then(|| terms.metrics.late());
    std::future::pending().await
}

async fn shake(keyring: &Keyring, line: &Arc<Line>) -> Result<Session, (Failure, Option<String>)> {
    match line.first_byte().await {
        Ok(Some(HANDSHAKE)) => {}
        Ok(Some(byte)) if byte.is_ascii_alphabetic() => return Err((Failure::PlainHttp, None)),
        Ok(Some(_)) => return Err((Failure::NotTls, None)),
        Ok(None) => return Err((Failure::Closed, None)),
        Err(error) => return Err(Failure::of(&error)),
    }
    let shaken = TlsAcceptor::from(keyring.config())
        .accept(line.wire())
        .await;
    shaken
        .map(|stream| Session(Box::new(stream)))
        .map_err(|error| Failure::of(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_plain_http_is_as_long_as_it_says() {
        let text = std::str::from_utf8(PLAIN_HTTP).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = format!("content-length: {}\r\n", body.len());
        assert!(head.contains(&length), "{} bytes", body.len());
    }
}
