//! Requests that are refused before anything of them reaches the gateway.
use crate::stage::asking::Line;
use crate::stage::bench::holdline;

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
    let rebound =
        crate::stage::asking::Asking::new(bench.admin, "GET", "/tasks").host("evil.example");
    assert_eq!(rebound.send().await.status, 421);
    let written = crate::stage::asking::Asking::new(bench.admin, "POST", "/tasks");
    assert_eq!(written.send().await.status, 405);
}
