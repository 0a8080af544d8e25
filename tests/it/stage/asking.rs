//! Requests of a client over a bare socket, and the bytes that it gets.
use std::fmt::Write as _;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use holdline::simulator::{DEMO_KEY, DEMO_SHOP};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::bench::PATIENCE;

/// A request in the making.
#[derive(Clone)]
pub(crate) struct Asking {
    address: SocketAddr,
    method: String,
    path: String,
    fields: Vec<(String, String)>,
    content: Content,
    body: Option<Vec<u8>>,
}

/// What a payment is made of.
#[derive(Clone)]
struct Content {
    amount: u64,
    tracking_id: Option<String>,
    description: String,
    card: &'static str,
    more: String,
}

pub(crate) fn basic(shop: &str, key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{shop}:{key}")))
}

impl Asking {
    pub(crate) fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let fields = vec![
            ("Host".to_owned(), address.to_string()),
            ("Authorization".to_owned(), basic(DEMO_SHOP, DEMO_KEY)),
        ];
        Self {
            address,
            method: method.to_owned(),
            path: path.to_owned(),
            fields,
            content: Content {
                amount: 100,
                tracking_id: None,
                description: String::new(),
                card: "4200000000000000",
                more: String::new(),
            },
            body: None,
        }
    }

    pub(crate) fn tracking(mut self, tracking_id: &str) -> Self {
        self.content.tracking_id = Some(tracking_id.to_owned());
        self
    }

    /// Fault words for the simulated gateway.
    pub(crate) fn words(mut self, words: &str) -> Self {
        words.clone_into(&mut self.content.description);
        self
    }

    pub(crate) fn amount(mut self, amount: u64) -> Self {
        self.content.amount = amount;
        self
    }

    pub(crate) fn card(mut self, card: &'static str) -> Self {
        self.content.card = card;
        self
    }

    /// More members of the request, each with its comma behind it.
    pub(crate) fn members(mut self, more: &str) -> Self {
        self.content.more.push_str(more);
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.field("RequestID", key)
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields
            .retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn anonymous(self) -> Self {
        self.without("Authorization")
    }

    pub(crate) fn of_shop(self, shop: &str, key: &str) -> Self {
        self.anonymous().field("Authorization", &basic(shop, key))
    }

    pub(crate) fn host(self, host: &str) -> Self {
        self.without("Host").field("Host", host)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The bytes of the body.
    pub(crate) fn body_bytes(&self) -> Vec<u8> {
        if let Some(body) = &self.body {
            return body.clone();
        }
        if self.method == "GET" {
            return Vec::new();
        }
        let Content {
            amount,
            tracking_id,
            description,
            card,
            more,
        } = &self.content;
        let tracking = tracking_id
            .as_ref()
            .map(|id| format!("\"tracking_id\":\"{id}\","))
            .unwrap_or_default();
        format!(
            "{{\"request\":{{\"amount\":{amount},\"currency\":\"USD\",{tracking}{more}\
             \"description\":\"{description}\",\"reason\":\"{description}\",\
             \"credit_card\":{{\"number\":\"{card}\",\"verification_value\":\"123\",\
             \"holder\":\"Zoë Ünal\",\"exp_month\":\"01\",\"exp_year\":\"2030\"}}}}}}"
        )
        .into_bytes()
    }

    /// The bytes of the whole request.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let body = self.body_bytes();
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.fields {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        let framed = self.fields.iter().any(|(name, _)| {
            name.eq_ignore_ascii_case("Content-Length")
                || name.eq_ignore_ascii_case("Transfer-Encoding")
        });
        if !framed && (self.method != "GET" || !body.is_empty()) {
            write!(text, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        text.push_str("\r\n");
        [text.into_bytes(), body].concat()
    }

    /// Sends it and reads its one answer to the connection's end (I13).
    pub(crate) async fn send(self) -> Answer {
        let mut line = self.open().await;
        let answer = line.answer().await;
        line.stream.shutdown().await.ok();
        let mut more = Vec::new();
        // A server that has closed first may meet our end with a reset; nothing came before it.
        let _closed = tokio::time::timeout(PATIENCE, line.stream.read_to_end(&mut more)).await;
        line.rest.extend(more);
        assert!(line.rest.is_empty(), "I13: more than one answer");
        answer
    }

    /// Sends it and keeps the line open.
    pub(crate) async fn open(self) -> Line {
        let mut line = Line::connect(self.address).await;
        let bytes = self.bytes();
        line.send(&bytes).await;
        line
    }
}

/// A client's connection.
pub(crate) struct Line {
    pub(crate) stream: TcpStream,
    rest: Vec<u8>,
}

impl Line {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            rest: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next whole answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("no whole answer came")
    }

    /// The next answer; `None` if the connection ends before it is whole.
    pub(crate) async fn try_answer(&mut self) -> Option<Answer> {
        let read = async {
            loop {
                if let Some((answer, length)) = Answer::parse(&self.rest) {
                    self.rest.drain(..length);
                    return Some(answer);
                }
                let read = self.stream.read_buf(&mut self.rest).await;
                if !matches!(read, Ok(1..)) {
                    return Answer::ended(&std::mem::take(&mut self.rest));
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, read).await;
        in_time.expect("no answer in time")
    }

    /// Every byte until the end of the connection.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.rest);
        let read = self.stream.read_to_end(&mut bytes);
        let _how_it_ended = tokio::time::timeout(PATIENCE, read).await.expect("no end");
        bytes
    }

    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Leaves with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first whole answer in these bytes, and its length; interim answers are passed over.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (mut answer, head) = Self::head(bytes)?;
        if (100..200).contains(&answer.status) && answer.status != 101 {
            let (answer, length) = Self::parse(&bytes[head..])?;
            return Some((answer, head + length));
        }
        let rest = &bytes[head..];
        if let Some(length) = answer.field("content-length") {
            let length: usize = length.parse().unwrap();
            answer.body = rest.get(..length)?.to_vec();
            return Some((answer, head + length));
        }
        if answer.field("transfer-encoding").is_some() {
            let (body, length) = dechunked(rest)?;
            answer.body = body;
            return Some((answer, head + length));
        }
        let bodiless = matches!(answer.status, 204 | 304);
        bodiless.then_some((answer, head))
    }

    /// An answer whose end is the connection's.
    fn ended(bytes: &[u8]) -> Option<Self> {
        let (mut answer, head) = Self::head(bytes)?;
        let framed =
            answer.field("content-length").is_some() || answer.field("transfer-encoding").is_some();
        answer.body = bytes[head..].to_vec();
        (!framed).then_some(answer)
    }

    fn head(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let fields = lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        let answer = Self {
            status,
            fields,
            body: Vec::new(),
        };
        Some((answer, end + 4))
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field == name);
        values.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn uid(&self) -> String {
        let json = self.json();
        let uid = json["transaction"]["uid"].as_str();
        let uid = uid.or_else(|| json["uid"].as_str());
        uid.unwrap_or_else(|| panic!("no uid: {self:?}")).to_owned()
    }

    /// It is the gateway's own, marked as completed.
    #[track_caller]
    pub(crate) fn is_gateway(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.field("holdline-outcome"),
            Some("completed"),
            "{self:?}"
        );
        assert!(
            self.field("via")
                .is_some_and(|via| via.ends_with(" holdline")),
            "{self:?}"
        );
        assert_eq!(self.field("proxy-status"), None, "{self:?}");
        self
    }

    /// It is ours, in the shape that every client reads, and says this of the exchange.
    #[track_caller]
    pub(crate) fn is_ours(&self, status: u16, code: &str, outcome: &str) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.field("holdline-outcome"), Some(outcome), "{self:?}");
        assert_eq!(self.field("content-type"), Some("application/json"));
        let proxy_status = self.field("proxy-status").unwrap_or_default();
        assert!(proxy_status.starts_with("holdline; error="), "{self:?}");
        let json = self.json();
        let message = &json["message"];
        assert!(message.is_string(), "{self:?}");
        for same in [
            &json["errors"]["base"][0],
            &json["response"]["message"],
            &json["response"]["errors"]["base"][0],
            &json["friendly_message"],
        ] {
            assert_eq!(same, message, "{self:?}");
        }
        assert_eq!(json["code"], code, "{self:?}");
        assert!(json.get("status").is_none() && json.get("transaction").is_none());
        self
    }

    #[track_caller]
    pub(crate) fn is_in_doubt(&self) -> &Self {
        self.is_ours(504, "F.1000", "in-doubt")
    }

    #[track_caller]
    pub(crate) fn is_in_progress(&self) -> &Self {
        self.is_ours(504, "P.1019", "in-progress")
    }

    /// It is our refusal of a request of which nothing left.
    #[track_caller]
    pub(crate) fn is_refusal(&self, status: u16) -> &Self {
        let code = if status == 502 || status == 503 {
            "F.1000"
        } else {
            "E.1000"
        };
        self.is_ours(status, code, "not-submitted")
    }

    /// The same answer, whatever is told beside it.
    #[track_caller]
    pub(crate) fn is_same_as(&self, other: &Self) -> &Self {
        assert_eq!(self.status, other.status);
        assert_eq!(self.text(), other.text());
        assert_eq!(self.field("content-type"), other.field("content-type"));
        self
    }
}

/// A chunked body and its length on the wire; `None` while it is not whole.
fn dechunked(mut rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (whole, mut body) = (rest.len(), Vec::new());
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let chunk = rest.get(line + 2..line + 2 + size)?;
        body.extend_from_slice(chunk);
        rest = rest.get(line + 2 + size + 2..)?;
        if size == 0 {
            return Some((body, whole - rest.len()));
        }
    }
}
