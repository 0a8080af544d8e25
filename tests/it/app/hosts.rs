//! Several gateways behind one listener, told apart by Host.
use crate::stage::bench::{holdline, ms, simulator};

#[tokio::test]
async fn two_gateways_share_a_listener_and_never_each_others_requests() {
    let bench = holdline()
        .gateway_for(&["one.example"], simulator().latency(ms(1)))
        .gateway_for(&["two.example"], simulator().latency(ms(1)))
        .start()
        .await;
    let one = bench.pay("a").host("one.example").send().await;
    let two = bench.pay("a").host("TWO.example:8080").send().await;
    assert_eq!(
        (one.is_gateway(200).status, two.is_gateway(200).status),
        (200, 200)
    );
    for gateway in &bench.gateways {
        assert_eq!(gateway.ledger().charges.len(), 1);
    }
    for host in [
        "three.example",
        "one.example.evil",
        bench.address.to_string().as_str(),
    ] {
        bench.pay("a").host(host).send().await.is_refusal(421);
    }
    let connections: u64 = bench
        .gateways
        .iter()
        .map(|it| it.ledger().connections)
        .sum();
    assert_eq!(
        bench
            .gateways
            .iter()
            .map(|it| it.ledger().submits.len())
            .sum::<usize>(),
        2
    );
    assert!(connections <= 4);
}

#[tokio::test]
async fn a_key_at_one_gateway_is_unknown_at_the_other() {
    let bench = holdline()
        .gateway_for(&["one.example"], simulator())
        .gateway_for(&["two.example"], simulator())
        .start()
        .await;
    bench
        .pay("a")
        .key("k")
        .host("one.example")
        .send()
        .await
        .is_gateway(200);
    bench.settled().await;
    let other = bench.pay("a").key("k").host("two.example").send().await;
    assert_eq!(other.is_gateway(200).field("idempotency-replayed"), None);
    let again = bench.pay("a").key("k").host("one.example").send().await;
    assert_eq!(
        again.is_gateway(200).field("idempotency-replayed"),
        Some("true")
    );
    for gateway in &bench.gateways {
        assert_eq!(gateway.ledger().charges.len(), 1);
    }
}

#[tokio::test]
async fn the_upstream_is_asked_under_its_own_host() {
    let bench = holdline().gateway(simulator()).start().await;
    bench
        .pay("a")
        .host("shop.example")
        .send()
        .await
        .is_gateway(200);
    let fields = &bench.ledger().submits[0].fields;
    let host = fields.iter().find(|(name, _)| name == "host").unwrap();
    assert!(host.1.starts_with("127.0.0.1:"), "{host:?}");
}
