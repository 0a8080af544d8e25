//! What no key can know alone: faults and warnings that two or more of them make together.
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::byte_size::ByteSize;
use super::fault::{Places, Warning};
use super::gateway::{self, Gateway};
use super::kind::Problem;
use super::paths;
use super::reader::Reader;
use super::resolve::Config;
use super::span::Span;
use crate::listener::Clients;
use crate::polling::ScheduleKind;

/// Adds the faults that sound keys make together.
pub(super) fn faults(config: &Config, reader: &mut Reader) {
    let hold = ("hold.timeout", Span(config.proxy.hold));
    let interval = ("polling.interval", Span(config.polling.interval));
    let shortest = ("polling.min_interval", Span(config.polling.min_interval));
    let start = ("submit.start", Span(config.exchange.submit_start));
    let longest = ("polling.max_interval", Span(config.polling.max_interval));
    // What bounds the first wait: a learned plan does not begin with the interval.
    let (first, reason) = match config.polling.schedule {
        ScheduleKind::Fixed | ScheduleKind::Exponential => {
            (interval, "the first wait would be over the longest one")
        }
        ScheduleKind::Learned => (shortest, "the shortest wait would be over the longest one"),
    };
    ordered(
        reader,
        first,
        hold,
        "every hold would end before its first poll",
    );
    ordered(reader, first, longest, reason);
    ordered(
        reader,
        start,
        hold,
        "a client may pay in another way once its hold ended, and a submit must not follow it",
    );
    ordered(
        reader,
        ("coalesce.reclaim", Span(config.exchange.reclaim)),
        ("cache.retention", Span(config.results.retention)),
        "an answer cannot wait for its client after it is forgotten",
    );
    ordered(
        reader,
        ("limits.per_owner", config.exchange.per_owner),
        ("limits.running", config.exchange.running),
        "one shop's share would be over the whole",
    );
    ordered(
        reader,
        ("limits.body", ByteSize(config.proxy.max_body as u64)),
        ("limits.bodies", ByteSize(config.proxy.bodies as u64)),
        "the largest body would never find room",
    );
    admin_apart(config, reader);
    upstreams_elsewhere(config, reader);
    paths::faults(config, reader);
}

/// Adds a fault unless the first value is at most the second, where one of them is written.
fn ordered<T: Copy + PartialOrd + Display>(
    reader: &mut Reader,
    lesser: (&str, T),
    greater: (&str, T),
    reason: &str,
) {
    let faulty = reader.faults.concern(lesser.0) || reader.faults.concern(greater.0);
    if faulty || lesser.1 <= greater.1 {
        return;
    }
    let (key, text) = if reader.places.contains_key(greater.0) {
        (greater.0, format!("is below {} ({})", lesser.0, lesser.1))
    } else {
        (lesser.0, format!("is above {} ({})", greater.0, greater.1))
    };
    if let Some(place) = reader.places.get(key).cloned() {
        reader.fault(&place, key, Problem::new(text, reason));
    }
}

fn admin_apart(config: &Config, reader: &mut Reader) {
    let key = "admin.listen";
    let admin = config.admin.listen;
    let count = config.gateways.len();
    let taken = config
        .gateways
        .iter()
        .position(|gateway| gateway::overlap(admin, gateway.listen));
    let Some(index) = taken.filter(|_| !reader.faults.concern(key)) else {
        return;
    };
    let listen = gateway::path(index, count, "listen");
    let mut written = [key, listen.as_str()].into_iter();
    if let Some(told) = written.find(|key| reader.places.contains_key(*key)) {
        let text = format!(
            "takes the same port as {}",
            if told == key { &listen } else { key }
        );
        let place = reader.places.get(told).cloned();
        let hint = "the operator's listener needs a port of its own";
        place.inspect(|place| reader.fault(place, told, Problem::new(text, hint)));
    }
}

/// Adds a fault where a gateway is one of our own listeners: what is relayed to it would come back for ever.
fn upstreams_elsewhere(config: &Config, reader: &mut Reader) {
    let count = config.gateways.len();
    let mut listeners = vec![("admin.listen".to_owned(), config.admin.listen)];
    listeners.extend(config.gateways.iter().enumerate().map(|(index, gateway)| {
        let key = gateway::path(index, count, "listen");
        (key, gateway.listen)
    }));
    for (index, gateway) in config.gateways.iter().enumerate() {
        let port = gateway.origin.port();
        let (key, (host, port)) = match &gateway.address {
            Some(address) => ("upstream_address", address.target(port)),
            None => ("upstream", (gateway.origin.host(), port)),
        };
        let mut ours = listeners.iter();
        let Some((listen, _)) = ours.find(|(_, listen)| leads_to(host, port, *listen)) else {
            continue;
        };
        let key = gateway::path(index, count, key);
        if let Some(place) = reader.places.get(&key).cloned() {
            let text = format!("is our own {listen}: every request would come back");
            let hint = "write where the gateway is";
            reader.fault(&place, &key, Problem::new(text, hint));
        }
    }
}

/// True if who connects to this host and port surely reaches this listener of the same machine.
fn leads_to(host: &str, port: u16, listen: SocketAddr) -> bool {
    let address = match host {
        "localhost" => Ok(IpAddr::from(Ipv4Addr::LOCALHOST)),
        host => host.parse(),
    };
    let same = address.is_ok_and(|address: IpAddr| {
        address == listen.ip() || listen.ip().is_unspecified() && address.is_loopback()
    });
    same && port == listen.port()
}

/// What is allowed and should be known.
pub(super) fn warnings(config: &Config, places: &Places) -> Vec<Warning> {
    let mut found = Found {
        places,
        warnings: Vec::new(),
    };
    let count = config.gateways.len();
    for (index, gateway) in config.gateways.iter().enumerate() {
        found.gateway(gateway, |key| gateway::path(index, count, key));
    }
    found.shared_origins(&config.gateways);
    found.listening(
        "admin.listen",
        config.admin.listen,
        "metrics and what runs can be read",
    );
    found.resubmits(config);
    found.polling(config);
    found.spans(config);
    found.limits(config);
    found.warnings
}

struct Found<'a> {
    places: &'a Places,
    warnings: Vec<Warning>,
}

impl Found<'_> {
    fn tell(&mut self, key: &str, text: String) {
        self.warnings.push(Warning {
            place: self.places.get(key).cloned(),
            key: key.to_owned(),
            text,
        });
    }

    fn gateway(&mut self, gateway: &Gateway, path: impl Fn(&str) -> String) {
        let reach = match gateway.tls.as_ref().map(|tls| &tls.clients) {
            None => "requests with card data and credentials arrive unencrypted",
            Some(Clients::Unasked | Clients::Optional(_)) => {
                "whoever reaches it may try credentials at the gateway"
            }
            Some(Clients::Required(_)) => "only clients with a certificate are served",
        };
        self.listening(&path("listen"), gateway.listen, reach);
        self.clients(gateway, &path("tls_clients"));
        let plain = !gateway.origin.is_tls();
        let crosses = plain && (!gateway.origin.is_loopback() || gateway.address.is_some());
        if crosses {
            let text = format!(
                "{} is not encrypted: card data and credentials cross the network in clear text.",
                gateway.origin
            );
            self.tell(&path("insecure"), text);
        } else if gateway.insecure {
            let text = format!("{} does not need it: write false.", gateway.origin);
            self.tell(&path("insecure"), text);
        }
        let unused = [
            ("ca_file", gateway.ca_file.is_some()),
            ("server_name", gateway.server_name.is_some()),
            ("client_certificate", gateway.client.is_some()),
        ];
        for (key, _) in unused.iter().filter(|(_, is_written)| plain && *is_written) {
            let text = "No certificate is asked for over http, so this is not used.";
            self.tell(&path(key), text.to_owned());
        }
    }

    /// Nothing of one gateway's exchanges is known to another, whatever their origins are.
    fn shared_origins(&mut self, gateways: &[Gateway]) {
        for (index, gateway) in gateways.iter().enumerate() {
            let mut before = gateways.iter().take(index);
            if let Some(other) = before.find(|other| other.origin == gateway.origin) {
                let text = format!(
                    "It is where \"{}\" is too: the repeat of a payment that comes over the other of the \
                     two is a new payment.",
                    other.name
                );
                self.tell(&gateway::path(index, gateways.len(), "upstream"), text);
            }
        }
    }

    /// Without issuers nobody is asked, whatever is written here: an empty variable is enough for that.
    fn clients(&mut self, gateway: &Gateway, key: &str) {
        let asked = gateway.tls.as_ref().map(|tls| &tls.clients);
        if asked == Some(&Clients::Unasked) && self.places.contains_key(key) {
            let text = "No client is asked for a certificate: tls_client_ca is empty.";
            self.tell(key, text.to_owned());
        }
    }

    fn listening(&mut self, key: &str, address: SocketAddr, consequence: &str) {
        if address.ip().is_loopback() {
            return;
        }
        let reach = if address.ip().is_unspecified() {
            "every network that this machine is on"
        } else {
            "other machines"
        };
        self.tell(key, format!("{address} is open to {reach}: {consequence}."));
    }

    fn resubmits(&mut self, config: &Config) {
        let times = config.exchange.resubmits;
        if times > 0 {
            let text = format!(
                "You state that every gateway here honours RequestID on /async: a submit whose \
                 answer was lost is sent again under the same RequestID (resubmits: at most \
                 {times}). The vendor does not document this. If it does not hold, each of them \
                 is a second charge. A start goes by it for whatever was submitted before: see that \
                 it has held for 23 hours by then."
            );
            self.tell("submit.resubmits", text);
        }
    }

    fn spans(&mut self, config: &Config) {
        let answer = config.upstream.answer_timeout;
        let drain = config.drain.until_last_answers();
        if drain <= answer {
            let text = format!(
                "Less the time for the last answers it is {}, not longer than upstream.answer_timeout \
                 ({}): a stop makes no poll, and one that is under way may be cut off.",
                Span(drain),
                Span(answer)
            );
            self.tell("drain.timeout", text);
        }
        let interval = config.polling.interval;
        if config.polling.unknown_grace < interval {
            let text = format!(
                "It is shorter than polling.interval ({}): one \"unknown\" from a replica that \
                 lags behind gives a task up.",
                Span(interval)
            );
            self.tell("polling.unknown_grace", text);
        }
        self.reclaim(config);
    }

    /// An answer that expires before it can count as delivered has a critical alert.
    fn reclaim(&mut self, config: &Config) {
        let reclaim = config.exchange.reclaim;
        let (quiet, write) = (config.listener.quiet, config.listener.write_timeout);
        let (key, longer, what) = if reclaim < quiet {
            ("coalesce.quiet", quiet, "every answer")
        } else if reclaim < write {
            ("listener.write_timeout", write, "an answer on its slow way")
        } else {
            return;
        };
        let text = format!(
            "It is shorter than {key} ({}): {what} to a request without a key expires before it can \
             count as delivered.",
            Span(longer)
        );
        self.tell("coalesce.reclaim", text);
    }

    /// What only one of the schedules goes by, where another is in force.
    fn polling(&mut self, config: &Config) {
        let schedule = match config.polling.schedule {
            ScheduleKind::Fixed => "fixed",
            ScheduleKind::Exponential => "exponential",
            ScheduleKind::Learned => return,
        };
        for key in ["polling.price", "polling.min_interval"] {
            if self.places.contains_key(key) {
                let text = format!(
                    "Only the learned schedule goes by it, and \"{schedule}\" is in force: this is not used."
                );
                self.tell(key, text);
            }
        }
    }

    fn limits(&mut self, config: &Config) {
        let mut listeners: Vec<SocketAddr> = config
            .gateways
            .iter()
            .map(|gateway| gateway.listen)
            .collect();
        listeners.sort_unstable();
        listeners.dedup();
        let connections = config.listener.connections.saturating_mul(listeners.len());
        if config.proxy.held > connections {
            let text = format!(
                "Each held request has a connection, and limits.connections allows {connections} \
                 in all: this limit is never reached."
            );
            self.tell("limits.held", text);
        }
        if config.exchange.per_owner == config.exchange.running {
            let text = "One shop may take every place of limits.running, and the others are \
                        refused meanwhile.";
            self.tell("limits.per_owner", text.to_owned());
        }
        if config.exchange.per_owner >= config.proxy.held {
            let text = "One shop may hold every request of limits.held, and those of others are told \
                        at once how they stand.";
            self.tell("limits.per_owner", text.to_owned());
        }
        let (one, all) = (config.upstream.max_answer, config.exchange.answers);
        if one > all {
            let text = format!(
                "It is above limits.answers ({}): while one such answer waits for its client, every new \
                 payment of every shop is refused.",
                ByteSize(all as u64)
            );
            self.tell("limits.answer", text);
        }
        let connections = config.upstream.connections;
        if connections <= 3 * config.upstream.turns() {
            let text = format!(
                "Relayed requests, reads and searches have one each in any case: while they have {connections}, \
                 no payment is polled. Of 4 connections and more a quarter is left to polls."
            );
            self.tell("upstream.connections", text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{faults, warnings};

    #[test]
    fn a_gateway_that_is_one_of_our_own_listeners_is_a_fault() {
        let told = |listen: &str, upstream: &str| {
            let text = format!(
                "[[gateway]]\nname = \"a\"\nlisten = \"{listen}\"\nupstream = {upstream}\n\
                 [admin]\nlisten = \"127.0.0.1:9090\"\n"
            );
            faults(&text, &[]).concat()
        };
        for (listen, upstream, key, ours) in [
            (
                "127.0.0.1:8080",
                "\"http://127.0.0.1:8080\"",
                "upstream",
                "gateway.listen",
            ),
            (
                "0.0.0.0:8080",
                "\"http://localhost:8080\"",
                "upstream",
                "gateway.listen",
            ),
            ("[::1]:80", "\"http://[::1]\"", "upstream", "gateway.listen"),
            (
                "127.0.0.1:8080",
                "\"http://localhost:9090\"",
                "upstream",
                "admin.listen",
            ),
            (
                "127.0.0.1:8080",
                "\"https://pay.example\"\nupstream_address = \"127.0.0.1:8080\"",
                "upstream_address",
                "gateway.listen",
            ),
        ] {
            let told = told(listen, upstream);
            let expected =
                format!("gateway.{key} is our own {ours}: every request would come back");
            assert!(told.contains(&expected), "{told}");
        }
        for (listen, upstream) in [
            ("127.0.0.1:8080", "\"http://127.0.0.1:8081\""),
            ("0.0.0.0:443", "\"https://192.0.2.1\""),
            ("127.0.0.1:443", "\"https://pay.example\""),
        ] {
            assert_eq!(told(listen, upstream), "");
        }
    }

    #[test]
    fn two_gateways_at_one_origin_are_warned_of() {
        let told = |first: &str, second: &str| {
            let text = format!(
                "upstream = \"{first}\"\n[[gateway]]\nname = \"b\"\nlisten = \"127.0.0.1:8081\"\n\
                 upstream = \"{second}\"\n"
            );
            let warnings = warnings(&text).into_iter();
            let told = warnings.map(|warning| format!("{} {}", warning.key, warning.text));
            told.collect::<Vec<_>>().concat()
        };
        let expected = "gateway[1].upstream It is where \"bepaid\" is too: the repeat of a payment that \
                        comes over the other of the two is a new payment.";
        for second in [
            "https://pay.example",
            "https://PAY.example:443",
            "https://pay.example/",
        ] {
            assert_eq!(told("https://pay.example", second), expected, "{second}");
        }
        for second in ["https://pay.example:444", "https://test.pay.example"] {
            assert_eq!(told("https://pay.example", second), "", "{second}");
        }
    }

    #[test]
    fn what_lets_one_answer_or_one_request_stand_in_the_way_of_payments_is_warned_of() {
        let told = |text: &str| match &warnings(text)[..] {
            [] => None,
            [warning] => Some(format!("{} {}", warning.key, warning.text)),
            more => panic!("{more:?}"),
        };
        for (text, expected) in [
            (
                "[coalesce]\nquiet = \"31s\"\nreclaim = \"30s\"\n",
                "coalesce.reclaim It is shorter than coalesce.quiet (31s): every answer to",
            ),
            (
                "[coalesce]\nreclaim = \"29s\"\n",
                "coalesce.reclaim It is shorter than listener.write_timeout (30s): an answer on its slow",
            ),
            (
                "[limits]\nanswer = \"2MiB\"\nanswers = \"1MiB\"\n",
                "limits.answer It is above limits.answers (1MiB): while one such answer waits",
            ),
            (
                "[upstream]\nconnections = 3\n",
                "upstream.connections Relayed requests, reads and searches have one each",
            ),
        ] {
            let told = told(text).unwrap_or_default();
            assert!(told.starts_with(expected), "{told}");
        }
        for text in [
            "[coalesce]\nreclaim = \"30s\"\n",
            "[limits]\nanswer = \"1MiB\"\nanswers = \"1MiB\"\n",
            "[upstream]\nconnections = 4\n",
        ] {
            assert_eq!(told(text), None);
        }
    }
}
