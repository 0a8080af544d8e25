//! A gateway that takes connections and then says nothing: its failures are failures, whoever's time
//! is over first.
use std::time::Duration;

use holdline::drain::Drain;
use holdline::timing::{Clock, Moment};
use holdline::upstream::{Cause, Client, Config, Error, Sent};

use super::peer::{Gateway, get};
use super::tls::{Authority, HOST};

/// `submit.start`, which is over before the handshake may be.
const START: Duration = Duration::from_secs(4);

fn silent(config: Config) -> (Client, Gateway, Clock) {
    let (connector, gateway) = Gateway::in_memory();
    let (clock, metrics) = (Clock::start(), gateway.metrics.clone());
    let connector = connector.with_tls(Authority::new().trusted());
    let origin = format!("https://{HOST}").parse().unwrap();
    let client = Client::new(origin, connector, config, clock, Drain::new(), metrics);
    (client, gateway, clock)
}

async fn gives_up(client: &Client, deadline: Moment) -> Error {
    client.connect(Some(deadline)).await.err().unwrap()
}

fn counted(gateway: &Gateway, times: usize) {
    let line = format!("upstream_errors_total{{cause=\"handshake\"}} {times}\n");
    assert!(gateway.scraped().contains(&line), "{}", gateway.scraped());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_outlives_the_time_of_its_payment_has_failed() {
    let (client, gateway, clock) = silent(Config::default());
    for times in 1..=3 {
        assert_eq!(client.may_try(), Ok(()));
        let deadline = clock.now() + START;
        let error = gives_up(&client, deadline).await;
        assert_eq!(clock.now(), deadline);
        let cause = (error.cause, error.sent);
        assert_eq!(cause, (Cause::Handshake, Sent::Never));
        counted(&gateway, times);
    }
    assert_eq!(client.may_try(), Err(Cause::Handshake));
    assert!(gateway.scraped().contains("upstream_outages 1\n"));
}

#[tokio::test(start_paused = true)]
async fn so_has_one_that_outlives_the_time_of_its_poll() {
    let config = Config {
        answer_timeout: START,
        ..Config::default()
    };
    let (client, gateway, _) = silent(config);
    for times in 1..=3 {
        assert_eq!(client.may_try(), Ok(()));
        let error = client.fetch(get("/")).await.unwrap_err();
        assert_eq!(error.cause, Cause::Handshake);
        counted(&gateway, times);
    }
    assert_eq!(client.may_try(), Err(Cause::Handshake));
}

#[tokio::test(start_paused = true)]
async fn one_that_had_no_time_says_nothing_of_the_gateway() {
    let (client, gateway, clock) = silent(Config::default());
    for _ in 0..100 {
        gives_up(&client, clock.now() + Duration::from_millis(90)).await;
    }
    counted(&gateway, 100);
    assert_eq!(client.may_try(), Ok(()));
}
