//! A gateway whose every byte is the test's own.
use std::sync::{Arc, Mutex};

use holdline::drain::Drain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request as the gateway heard it.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How many requests with this method and path came before.
    pub(crate) before: usize,
}

impl Heard {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field == name);
        values.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_submit(&self) -> bool {
        self.method == "POST" && self.path.starts_with("/async/transactions/")
    }

    pub(crate) fn is_poll(&self) -> bool {
        self.method == "GET" && self.path.starts_with("/async/")
    }
}

/// What the gateway then does.
#[derive(Clone, Debug)]
pub(crate) struct Say {
    bytes: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Keep,
    Close,
    Reset,
    Hang,
}

impl Say {
    pub(crate) fn closing(mut self) -> Self {
        self.end = End::Close;
        self
    }

    pub(crate) fn resetting(mut self) -> Self {
        self.end = End::Reset;
        self
    }

    /// The connection stays open, and nothing more comes.
    pub(crate) fn hanging(mut self) -> Self {
        self.end = End::Hang;
        self
    }

    /// No more than so many bytes.
    pub(crate) fn cut(mut self, count: usize) -> Self {
        self.bytes.truncate(count);
        self.end = End::Close;
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// These bytes.
pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Say {
    Say {
        bytes: bytes.into(),
        end: End::Keep,
    }
}

/// An answer with this code and JSON body.
pub(crate) fn json(status: u16, body: &str) -> Say {
    raw(format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json; charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// The receipt of task `t-1`.
pub(crate) fn accepted() -> Say {
    json(
        200,
        r#"{"status":"processing","request_id":"t-1","status_url":"/async/status/t-1","response_url":"/async/result/t-1"}"#,
    )
}

/// The task runs.
pub(crate) fn processing() -> Say {
    json(425, r#"{"status":"processing","request_id":"t-1"}"#)
}

/// The task is not known, or its answer was read.
pub(crate) fn unknown() -> Say {
    json(404, r#"{"status":"unknown","request_id":"t-1"}"#)
}

/// What a scripted gateway does about each request.
pub(crate) type Script = Box<dyn Fn(&Heard) -> Say + Send + Sync>;

/// A gateway that follows a script.
pub(crate) fn script(script: impl Fn(&Heard) -> Say + Send + Sync + 'static) -> Script {
    Box::new(script)
}

/// Accepts every submit, and gives this result; lookups find nothing.
pub(crate) fn resulting(result: impl Fn(usize) -> Say + Send + Sync + 'static) -> Script {
    script(move |heard| match heard.method.as_str() {
        "POST" => accepted(),
        _ if heard.is_poll() => result(heard.before),
        _ => json(200, r#"{"transactions":[]}"#),
    })
}

/// Answers every submit so; there is no task, and lookups find nothing.
pub(crate) fn submitting(answer: impl Fn(usize) -> Say + Send + Sync + 'static) -> Script {
    script(move |heard| match heard.method.as_str() {
        "POST" => answer(heard.before),
        _ if heard.is_poll() => unknown(),
        _ => json(200, r#"{"transactions":[]}"#),
    })
}

/// What was heard, in its order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Heard>>>);

impl Log {
    pub(crate) fn all(&self) -> Vec<Heard> {
        self.0.lock().unwrap().clone()
    }

    fn add(&self, mut heard: Heard) -> Heard {
        let mut all = self.0.lock().unwrap();
        let same = |other: &&Heard| other.method == heard.method && other.path == heard.path;
        heard.before = all.iter().filter(same).count();
        all.push(heard.clone());
        heard
    }
}

pub(crate) struct Scripted {
    listener: TcpListener,
    script: Arc<Script>,
    pub(crate) log: Log,
    pub(crate) origin: String,
}

impl Scripted {
    pub(crate) async fn bind(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        Self {
            listener,
            script: Arc::new(script),
            log: Log::default(),
            origin,
        }
    }

    pub(crate) async fn serve(self, drain: Drain) {
        loop {
            let (stream, _) = self.listener.accept().await.unwrap();
            let (script, log) = (Arc::clone(&self.script), self.log.clone());
            drop(drain.spawn(async move { converse(stream, &script, &log).await }));
        }
    }
}

async fn converse(mut stream: TcpStream, script: &Script, log: &Log) {
    let mut received = Vec::new();
    while let Some(heard) = hear(&mut stream, &mut received).await {
        let say = script(&log.add(heard));
        // A peer that has gone hears nothing.
        let _gone = stream.write_all(&say.bytes).await;
        match say.end {
            End::Keep => {}
            End::Close => return,
            End::Reset => return stream.set_zero_linger().unwrap(),
            End::Hang => {
                let mut scrap = [0; 1024];
                while matches!(stream.read(&mut scrap).await, Ok(1..)) {}
                return;
            }
        }
    }
}

async fn hear(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<Heard> {
    let end = loop {
        if let Some(at) = received.windows(4).position(|it| it == b"\r\n\r\n") {
            break at;
        }
        more(stream, received).await?;
    };
    let text = String::from_utf8(received[..end].to_vec()).unwrap();
    received.drain(..end + 4);
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    let mut request = Heard {
        method: words.next()?,
        path: words.next()?,
        fields: fields.collect(),
        body: Vec::new(),
        before: 0,
    };
    if let Some(length) = request.field("content-length") {
        let length: usize = length.parse().unwrap();
        while received.len() < length {
            more(stream, received).await?;
        }
        request.body = received.drain(..length).collect();
    } else if request.field("transfer-encoding").is_some() {
        while !received.ends_with(b"0\r\n\r\n") {
            more(stream, received).await?;
        }
        request.body = std::mem::take(received);
    }
    Some(request)
}

async fn more(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<()> {
    matches!(stream.read_buf(received).await, Ok(1..)).then_some(())
}
