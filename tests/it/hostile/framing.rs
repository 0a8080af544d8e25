//! What is taken goes on in one plain form, and what stands behind a body is a request of its own or
//! none.
use super::world::{World, configured, statuses, world};

/// The fields of a message that speak of its framing or its connection, and must not be a client's.
const OF_THE_HOP: [&str; 8] = [
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "x-named",
];

/// The heads of the requests that the gateway read, each of its own connection.
fn heads(world: &World) -> Vec<String> {
    let requests = world
        .upstream()
        .into_iter()
        .filter(|it| it.starts_with("POST"));
    let head = |it: String| it.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
    requests.map(head).collect()
}

fn names(head: &str) -> Vec<&str> {
    let lines = head.split("\r\n").skip(1);
    lines.map(|line| line.split(':').next().unwrap()).collect()
}

/// A payment's body, as it is and in chunks.
fn bodies(world: &World, tracking_id: &str) -> (String, String) {
    let body = String::from_utf8(world.bench.pay(tracking_id).body_bytes()).unwrap();
    let (one, two) = body.split_at(40);
    let chunked = format!(
        "{:x}\r\n{one}\r\n0{:X};ext=\"1\"\r\n{two}\r\n000\r\nX-Trailer: 1\r\nContent-Length: 3\r\n\r\n",
        one.len(),
        two.len()
    );
    (body, chunked)
}

#[tokio::test]
async fn what_is_unusual_but_plain_goes_on_with_one_host_and_one_length() {
    let world = world().await;
    let post = "POST /transactions/payments HTTP/1.1\r\nHost: HOST\r\n";
    let cases = [
        ("chunks", format!("{post}Transfer-Encoding: chunked\r\n"), true),
        ("chunks in capitals", format!("{post}TRANSFER-ENCODING: CHUNKED\r\n"), true),
        ("chunks behind a tab", format!("{post}Transfer-Encoding:\tchunked \r\n"), true),
        ("trailers", format!("{post}Transfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: X-Trailer\r\n"), true),
        ("a length with zeros", format!("{post}Content-Length: 000LENGTH\r\n"), false),
        ("a length without a blank", format!("{post}Content-Length:LENGTH\r\n"), false),
        ("empty lines before", format!("\r\n\r\n{post}Content-Length: LENGTH\r\n"), false),
        ("an upgrade", format!("{post}Content-Length: LENGTH\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"), false),
        ("named fields", format!("{post}Content-Length: LENGTH\r\nConnection: keep-alive, X-Named\r\nX-Named: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n"), false),
        ("an expectation", format!("{post}Content-Length: LENGTH\r\nExpect: 100-Continue\r\n"), false),
        ("another method inside", format!("{post}Content-Length: LENGTH\r\nX-HTTP-Method-Override: DELETE\r\nX-Method-Override: PUT\r\n"), false),
        ("an absolute target", "POST http://HOST/transactions/payments HTTP/1.1\r\nHost: HOST\r\nContent-Length: LENGTH\r\n".to_owned(), false),
        ("an old version", "POST /transactions/payments HTTP/1.0\r\nHost: HOST\r\nContent-Length: LENGTH\r\n".to_owned(), false),
    ];
    for (number, (name, head, is_chunked)) in cases.iter().enumerate() {
        let (body, chunked) = bodies(&world, name);
        let head = head.replace("LENGTH", &body.len().to_string());
        let sent = if *is_chunked { &chunked } else { &body };
        let read = world
            .answers(&world.spelled(&format!("{head}AUTH\r\n\r\n{sent}")))
            .await;
        assert_eq!(statuses(&read).last(), Some(&200), "{name}: {read}");
        let heads = heads(&world);
        assert_eq!(heads.len(), number + 1, "{name}: {heads:#?}");
        let head = heads.last().unwrap();
        assert!(
            head.starts_with("post /async/transactions/payments http/1.1\r\n"),
            "{name}: {head}"
        );
        let names = names(head);
        let count = |name: &str| names.iter().filter(|it| **it == name).count();
        assert_eq!(
            (count("host"), count("content-length")),
            (1, 1),
            "{name}: {head}"
        );
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{name}: {head}"
        );
        let left = OF_THE_HOP.iter().find(|it| names.contains(it));
        assert_eq!(left, None, "{name}: {head}");
        assert!(
            names
                .iter()
                .all(|it| !it.ends_with("-override") && *it != "x-trailer"),
            "{head}"
        );
        assert!(
            head.contains("\r\nconnection: close"),
            "the submit's own: {head}"
        );
        assert!(
            world.upstream().iter().any(|it| it.ends_with(&body)),
            "{name}: the body as it was"
        );
    }
}

/// Bytes behind a body are read as a request where the body's end is beyond doubt, and else never.
#[tokio::test]
async fn a_request_behind_a_body_is_one_of_its_own_or_none() {
    let behind = "POST /reports HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nContent-Length: 0\r\n\r\n";
    let chunked = "POST /transactions/payments HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\n";
    let large = format!("fffff0\r\n{}", "x".repeat(1001));
    for (name, body, codes) in [
        (
            "no chunk ends in LF alone",
            "2\n{}\r\n0\r\n\r\n",
            &[400][..],
        ),
        (
            "no extension hides an LF",
            "2;a\nb\r\n{}\r\n0\r\n\r\n",
            &[400],
        ),
        (
            "no chunk is longer than its size",
            "1\r\n{}\r\n0\r\n\r\n",
            &[400],
        ),
        ("no size has a prefix", "0x2\r\n{}\r\n0\r\n\r\n", &[400]),
        ("no size has a sign", "+2\r\n{}\r\n0\r\n\r\n", &[400]),
        ("no size is of two words", "2 0\r\n{}\r\n0\r\n\r\n", &[400]),
        (
            "no size wraps around",
            "10000000000000002\r\n{}\r\n0\r\n\r\n",
            &[400],
        ),
        ("no size is empty", "\r\n{}\r\n0\r\n\r\n", &[400]),
        ("a body over the limit is not read on", &large, &[413]),
    ] {
        let world = configured(|config| config.proxy.max_body = 1000).await;
        let request = world.spelled(&format!("{chunked}{body}{behind}"));
        let read = world.answers(&request).await;
        assert_eq!(statuses(&read), codes, "{name}: {read}");
        world.still_serves().await;
    }
    // A trailer that ends in LF alone harms nobody: trailers go nowhere. But behind it nobody can
    // tell what is what.
    let world = world().await;
    let (body, _) = bodies(&world, "paid");
    let body = format!("{:x}\r\n{body}\r\n0\r\nA: b\n\r\n\r\n", body.len());
    let read = world
        .answers(&world.spelled(&format!("{chunked}{body}{behind}")))
        .await;
    assert_eq!(statuses(&read), [200, 400], "{read}");
    assert!(read.contains("was not framed properly"), "{read}");
    assert_eq!(heads(&world).len(), 1, "{:?}", heads(&world));
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_their_order_each_once() {
    let world = world().await;
    let row = [0, 1, 2].map(|number| {
        let (body, chunked) = bodies(&world, &format!("row-{number}"));
        let rest = match number {
            1 => format!("Transfer-Encoding: chunked\r\n\r\n{chunked}\r\n"),
            _ => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        };
        format!("POST /transactions/payments HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n{rest}")
    });
    let row = row.concat();
    let read = world.answers(&world.spelled(&row)).await;
    assert_eq!(statuses(&read), [200, 200, 200], "{read}");
    let places = [0, 1, 2].map(|number| read.find(&format!("row-{number}")).unwrap());
    assert!(places.is_sorted(), "{read}");
    assert_eq!(heads(&world).len(), 3);
}
