//! Requests that are refused before anything of them reaches the gateway.
use super::asking::Line;
use super::bench::{Bench, holdline};

/// Sends the head and the body, and expects a refusal of this code.
async fn refused(bench: &Bench, status: u16, request: &str) {
    let request = request.replace("HOST", &bench.address.to_string());
    let mut line = Line::connect(bench.address).await;
    line.send(request.as_bytes()).await;
    let answer = line.answer().await;
    assert_eq!(answer.status, status, "{request}: {answer:?}");
    if !answer.body.is_empty() {
        answer.is_refusal(status);
    }
}

const AUTHORIZED: &str = "Authorization: Basic MzYxOng=\r\n";

#[tokio::test]
async fn heads_that_hyper_alone_would_take() {
    let bench = holdline().start().await;
    let post = "POST /transactions/payments HTTP/1.1\r\n";
    for (status, head) in [
        (400, format!("{post}{AUTHORIZED}Content-Length: 2\r\n")),
        (
            400,
            format!("{post}{AUTHORIZED}Host: \r\nContent-Length: 2\r\n"),
        ),
        (
            400,
            format!("{post}{AUTHORIZED}Host: HOST\r\nHost: HOST\r\nContent-Length: 2\r\n"),
        ),
        (
            400,
            format!("{post}{AUTHORIZED}Host: user@HOST\r\nContent-Length: 2\r\n"),
        ),
        (
            400,
            format!("{post}{AUTHORIZED}Host: HOST/path\r\nContent-Length: 2\r\n"),
        ),
        (
            400,
            format!(
                "POST http://elsewhere.example/transactions/payments HTTP/1.1\r\n{AUTHORIZED}\
                 Host: HOST\r\nContent-Length: 2\r\n"
            ),
        ),
        (
            405,
            format!("CONNECT HOST HTTP/1.1\r\n{AUTHORIZED}Host: HOST\r\n"),
        ),
        (
            405,
            format!("TRACE / HTTP/1.1\r\n{AUTHORIZED}Host: HOST\r\n"),
        ),
        (
            405,
            format!(
                "post /transactions/payments HTTP/1.1\r\n{AUTHORIZED}Host: HOST\r\nContent-Length: 2\r\n"
            ),
        ),
        (411, format!("{post}{AUTHORIZED}Host: HOST\r\n")),
        (
            501,
            format!("{post}{AUTHORIZED}Host: HOST\r\nTransfer-Encoding: gzip, chunked\r\n"),
        ),
        (
            417,
            format!("{post}{AUTHORIZED}Host: HOST\r\nContent-Length: 2\r\nExpect: 200-ok\r\n"),
        ),
        (
            400,
            format!(
                "{post}{AUTHORIZED}Host: HOST\r\nContent-Length: 2\r\nConnection: authorization\r\n"
            ),
        ),
        (
            400,
            format!(
                "{post}{AUTHORIZED}Host: HOST\r\nContent-Length: 2\r\nConnection: requestid\r\n"
            ),
        ),
        (
            508,
            format!("{post}{AUTHORIZED}Host: HOST\r\nContent-Length: 2\r\nVia: 1.1 holdline\r\n"),
        ),
        (401, format!("{post}Host: HOST\r\nContent-Length: 2\r\n")),
        (
            401,
            format!("{post}Authorization: Bearer x\r\nHost: HOST\r\nContent-Length: 2\r\n"),
        ),
        (
            400,
            format!("{post}{AUTHORIZED}{AUTHORIZED}Host: HOST\r\nContent-Length: 2\r\n"),
        ),
        (
            415,
            format!(
                "{post}{AUTHORIZED}Host: HOST\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n"
            ),
        ),
        (
            413,
            format!(
                "{post}{AUTHORIZED}Host: HOST\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n"
            ),
        ),
    ] {
        refused(&bench, status, &format!("{head}\r\n{{}}")).await;
    }
    assert_eq!(bench.ledger().connections, 0);
    assert_eq!(bench.exchanges(), (0, 0));
}

#[tokio::test]
async fn framings_that_hyper_itself_refuses() {
    let bench = holdline().start().await;
    let post = format!("POST /transactions/payments HTTP/1.1\r\n{AUTHORIZED}Host: HOST\r\n");
    for head in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 2, 3\r\n",
        "Content-Length: 0x2\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Bad Name: x\r\nContent-Length: 2\r\n",
        "X-Raw: a\x00b\r\nContent-Length: 2\r\n",
    ] {
        let request = format!("{post}{head}\r\n{{}}").replace("HOST", &bench.address.to_string());
        let mut line = Line::connect(bench.address).await;
        line.send(request.as_bytes()).await;
        line.half_close().await;
        let answer = String::from_utf8(line.read_to_end().await).unwrap();
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "400" | "501"), "{head:?}: {answer}");
    }
    assert_eq!(bench.ledger().connections, 0);
}

#[tokio::test]
async fn a_request_smuggled_behind_a_length_and_chunks_is_never_a_second_one() {
    let bench = holdline().start().await;
    let body = bench.pay("smuggled").bytes();
    let mut request = format!(
        "POST /transactions/payments HTTP/1.1\r\n{AUTHORIZED}Host: {}\r\nContent-Length: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        bench.address,
        body.len() + 5
    )
    .into_bytes();
    request.extend(body);
    let mut line = Line::connect(bench.address).await;
    line.send(&request).await;
    line.half_close().await;
    line.read_to_end().await;
    bench.submits_of("smuggled").is(0);
}

#[tokio::test]
async fn too_many_fields_or_bytes_of_them() {
    let bench = holdline().start().await;
    let many = "x-one: y\r\n".repeat(101);
    for fields in [many, format!("x: {}\r\n", "y".repeat(40_000))] {
        let request = format!("POST /transactions/payments HTTP/1.1\r\nHost: HOST\r\n{fields}\r\n");
        let request = request.replace("HOST", &bench.address.to_string());
        let mut line = Line::connect(bench.address).await;
        line.send(request.as_bytes()).await;
        line.half_close().await;
        let answer = line.read_to_end().await;
        assert!(
            answer.starts_with(b"HTTP/1.1 431 "),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(bench.ledger().connections, 0);
}

#[tokio::test]
async fn a_body_over_the_limit_in_either_framing() {
    let bench = holdline()
        .configure(|config| config.proxy.max_body = 1000)
        .start()
        .await;
    let body = "x".repeat(1001);
    for path in ["/transactions/payments", "/balance"] {
        bench
            .post(path)
            .body(body.clone())
            .send()
            .await
            .is_refusal(413);
        let chunked = bench.post(path).field("Transfer-Encoding", "chunked");
        let bytes = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let mut line = chunked.body(bytes).open().await;
        line.answer().await.is_refusal(413);
    }
    assert_eq!(bench.ledger().connections, 0);
}

#[tokio::test]
async fn a_chunked_body_is_sent_on_with_a_length_and_without_its_trailers() {
    let bench = holdline().start().await;
    let body = bench.pay("a").body_bytes();
    let (one, two) = body.split_at(40);
    let mut chunked = format!("{:x}\r\n", one.len()).into_bytes();
    chunked.extend(one);
    chunked.extend(format!("\r\n{:x};ext=1\r\n", two.len()).into_bytes());
    chunked.extend(two);
    chunked.extend(b"\r\n0\r\nX-Trailer: 1\r\n\r\n");
    let asking = bench.pay("a").field("Transfer-Encoding", "chunked");
    let asking = asking.field("Trailer", "X-Trailer").field("TE", "trailers");
    asking.body(chunked).send().await.is_gateway(200);
    let ledger = bench.ledger();
    let length = ("content-length".to_owned(), body.len().to_string());
    assert!(ledger.submits[0].fields.contains(&length));
    assert!(
        ledger.submits[0]
            .fields
            .iter()
            .all(|(name, _)| name != "x-trailer")
    );
}

#[tokio::test]
async fn an_upgrade_is_ignored_and_an_override_of_the_method_too() {
    let bench = holdline().start().await;
    let answer = bench
        .pay("a")
        .field("Connection", "Upgrade")
        .field("Upgrade", "websocket")
        .field("X-HTTP-Method-Override", "DELETE")
        .send()
        .await;
    answer.is_gateway(200);
    let fields = &bench.ledger().submits[0].fields;
    assert!(
        fields
            .iter()
            .all(|(name, _)| name != "x-http-method-override")
    );
}

#[tokio::test]
async fn an_absolute_target_of_the_same_authority_is_taken() {
    let bench = holdline().start().await;
    let target = format!("http://{}/transactions/payments", bench.address);
    bench
        .post(&target)
        .tracking("a")
        .send()
        .await
        .is_gateway(200);
    assert_eq!(
        bench.ledger().submits[0].path,
        "/async/transactions/payments"
    );
}

#[tokio::test]
async fn the_operators_paths_are_not_on_the_clients_port() {
    let bench = holdline().start().await;
    for path in ["/tasks", "/metrics", "/readyz", "/livez"] {
        assert_eq!(bench.get(path).send().await.status, 404, "{path}");
        assert_eq!(bench.operator(path).await.status, 200, "{path}");
    }
    let rebound = super::asking::Asking::new(bench.admin, "GET", "/tasks").host("evil.example");
    assert_eq!(rebound.send().await.status, 421);
    let written = super::asking::Asking::new(bench.admin, "POST", "/tasks");
    assert_eq!(written.send().await.status, 405);
}
