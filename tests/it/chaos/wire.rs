//! The calls that went over the network, read back from the bytes by a reader of its own.
use std::time::Duration;

use holdline::timing::Moment;
use serde_json::Value;

use crate::simulated::network::Wire;

/// One call of holdline's to the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) at: Moment,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) key: String,
    pub(crate) body: Vec<u8>,
    /// The answer, if it came whole.
    pub(crate) answer: Option<Answer>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) at: Moment,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn is_submit(&self) -> bool {
        self.method == "POST"
    }

    /// The merchant's id of the purchase, as far as it came.
    pub(crate) fn tracking_id(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.body);
        let (_, from) = text.split_once("\"tracking_id\":\"")?;
        Some(from.split_once('"')?.0.to_owned())
    }

    /// True if the gateway refused it, whole and in so many words.
    pub(crate) fn is_refused(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| (400..500).contains(&answer.status))
    }

    /// True if its answer came within this time.
    pub(crate) fn is_in_time(&self, span: Duration) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| answer.at.since(self.at) < span)
    }

    /// True if its answer is a task's result, whole.
    pub(crate) fn is_result(&self) -> bool {
        self.polled().is_some() && self.answer.as_ref().is_some_and(Answer::is_firm)
    }

    /// The task that the answer to a submit names, if it can be asked for.
    pub(crate) fn task(&self) -> Option<String> {
        let answer = self.answer.as_ref()?;
        let json = answer.json();
        let is_ticket = json.get("response_url").is_some() || json.get("status_url").is_some();
        let id = json.get("request_id")?.as_str()?.to_owned();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_fit = !id.is_empty() && id.len() <= 128 && id.bytes().all(fits);
        (is_ticket && is_fit && (200..300).contains(&answer.status)).then_some(id)
    }

    /// The task whose result is asked for.
    pub(crate) fn polled(&self) -> Option<&str> {
        self.path.strip_prefix("/async/result/")
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn is_firm(&self) -> bool {
        let json = self.json();
        let has = |name: &&str| json.get(*name).is_some();
        match self.status {
            200 => json.get("transaction").is_some(),
            400 | 402 | 404 | 409 | 410 | 422 => ["response", "errors", "code"].iter().any(has),
            _ => false,
        }
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.status == 404 && self.json()["status"] == "unknown"
    }
}

/// Every call, in the order in which they began.
pub(crate) fn calls(wires: &[Wire]) -> Vec<Call> {
    let mut calls: Vec<Call> = wires.iter().flat_map(read).collect();
    calls.sort_by_key(|call| call.at);
    calls
}

fn read(wire: &Wire) -> Vec<Call> {
    let mut answers = messages(&wire.down).into_iter().filter(|answer| {
        let is_interim = answer
            .start()
            .split(' ')
            .nth(1)
            .is_some_and(|code| code.starts_with('1'));
        !is_interim
    });
    let requests = messages(&wire.up).into_iter();
    let call = |request: Message| {
        let start = request.start();
        let mut words = start.split(' ').map(str::to_owned);
        Call {
            at: request.began,
            method: words.next().unwrap_or_default(),
            path: words.next().unwrap_or_default(),
            authorization: request.field("authorization"),
            key: request.field("requestid"),
            body: request.body,
            answer: answers.next().and_then(Message::into_answer),
        }
    };
    requests.map(call).collect()
}

/// One message as it stands on a connection.
struct Message {
    began: Moment,
    ended: Moment,
    head: String,
    body: Vec<u8>,
    is_whole: bool,
}

impl Message {
    fn start(&self) -> String {
        self.head.lines().next().unwrap_or_default().to_owned()
    }

    fn field(&self, name: &str) -> String {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
        found
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    }

    fn into_answer(self) -> Option<Answer> {
        let status = self.start().split(' ').nth(1)?.parse().ok()?;
        self.is_whole.then_some(Answer {
            at: self.ended,
            status,
            body: self.body,
        })
    }
}

/// Cuts the pieces into messages; the last one may not be whole.
fn messages(pieces: &[(Moment, Vec<u8>)]) -> Vec<Message> {
    let bytes: Vec<u8> = pieces.iter().flat_map(|(_, piece)| piece.clone()).collect();
    let mut messages = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let rest = &bytes[start..];
        let head_end = rest
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .map(|at| at + 4);
        let mut message = Message {
            began: moment(pieces, start),
            ended: Moment::START,
            head: String::from_utf8_lossy(&rest[..head_end.unwrap_or(rest.len())]).into_owned(),
            body: Vec::new(),
            is_whole: false,
        };
        let length: usize = message.field("content-length").parse().unwrap_or_default();
        let body_start = start + head_end.unwrap_or(rest.len());
        let end = (body_start + length).min(bytes.len());
        message.body = bytes[body_start..end].to_vec();
        message.is_whole = head_end.is_some() && message.body.len() == length;
        message.ended = moment(pieces, end - 1);
        messages.push(message);
        start = end;
    }
    messages
}

/// When the byte at `offset` passed.
fn moment(pieces: &[(Moment, Vec<u8>)], offset: usize) -> Moment {
    let mut passed = 0;
    let holds = |piece: &&(Moment, Vec<u8>)| {
        passed += piece.1.len();
        passed > offset
    };
    pieces
        .iter()
        .find(holds)
        .map_or(Moment::START, |(at, _)| *at)
}
