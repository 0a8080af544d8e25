//! What the configuration promises as a whole: faults at once, precedence, and the example.
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::resolve::known_keys;
use super::*;
use crate::polling::ScheduleKind;

const EXAMPLE: &str = include_str!("../../config.toml.example");

/// The least that a file has to say.
const LEAST: &str = "[[gateway]]\nname = \"bepaid\"\nlisten = \"127.0.0.1:8080\"\n";

fn file(text: &str) -> File {
    File {
        path: PathBuf::from("holdline.toml"),
        text: text.to_owned(),
    }
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    let owned = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
    variables.iter().map(owned).collect()
}

fn resolved(text: &str, variables: &[(&str, &str)]) -> Resolved {
    resolve(Some(&file(text)), environment(variables), &Flags::default()).unwrap()
}

pub(super) fn faults(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    resolve(Some(&file(text)), environment(variables), &Flags::default())
        .err()
        .iter()
        .flat_map(Faults::iter)
        .map(ToString::to_string)
        .collect()
}

/// Faults of a file that says the least, and then `more`.
fn faults_of(more: &str) -> Vec<String> {
    faults(&format!("{LEAST}{more}"), &[])
}

/// The warnings about a file that says the least, and then `more`.
pub(super) fn warnings(more: &str) -> Vec<Warning> {
    resolved(&format!("{LEAST}{more}"), &[]).warnings
}

/// The keys of these warnings.
fn warned(more: &str) -> Vec<String> {
    let keys = warnings(more).into_iter().map(|warning| warning.key);
    keys.collect()
}

#[test]
fn the_example_has_every_key_and_every_value_is_the_default() {
    let example = resolved(EXAMPLE, &[]);
    let written: BTreeSet<&String> = example.places.keys().collect();
    let known = known_keys();
    assert_eq!(written, known.iter().collect());
    let defaults = Config {
        gateways: example.config.gateways.clone(),
        ..Config::default()
    };
    assert_eq!(example.config, defaults);
    assert_eq!(example.warnings, Vec::new());
}

#[test]
fn the_example_teaches_each_section_and_key_in_words() {
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    let spoken = lines.iter().filter(|line| line.starts_with('#')).count();
    assert!(spoken > known_keys().len());
    let longest = lines.iter().map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "{longest:?}");
}

#[test]
fn a_file_with_many_faults_is_told_all_of_them_at_once() {
    let text = r#"
listen = "127.0.0.1:8080"

[[gateway]]
name = "Be Paid"
listen = "127.0.0.1"
upstream = "https://shop:secret@gateway.example"
insecure = "no"
hosts = ["pay.example"]

[[gateway]]
name = "paycros"

[[gateway]]
name = "own"
listen = "127.0.0.1:8081"
upstream = "http://gateway.example"
host = ["pay.example:443"]

[routes]
payment = "relay"
refunds = "rely"

[hold]
timeout = 24
retention = "24h"

[submit]
start = "5 s"
resubmits = -1

[polling]
schedule = "eager"
interval = "0s"

[coalesce]
key_field = "Authorization"

[cache]
retention = "1h"
max_bytes = "64MB"

[limits]
held = 0.5
fields = 1_000_000

[log]
level = "inof"

[journal]
path = "holdline.redb"

[[drain]]
timeout = "30s"
"#;
    let variables = [
        ("HOLDLINE_HOLD_TIMEOUT", "24s"),
        ("HOLDLINE_SUBMIT__TIMEOUT", "soon"),
        ("HOLDLINE_SUBMIT__STRAT", "5s"),
        ("HOLDLINE_GATEWAY__UPSTREAM", "https://gateway.example"),
        ("HOLDLINE_GATEWAY__7__NAME", "seventh"),
    ];
    let told = resolve(
        Some(&file(text)),
        environment(&variables),
        &Flags::default(),
    );
    let told = told.unwrap_err().to_string();
    assert!(!told.contains("secret"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_no_toml_is_told_with_its_lines_and_nothing_is_guessed_from_the_rest() {
    let told = faults(
        "[[gateway]]\nname = bepaid\n[hold]\ntimeout = \n[hold]\n",
        &[],
    );
    assert!(told.len() > 1, "{told:?}");
    for fault in &told {
        assert!(fault.starts_with("holdline.toml line "), "{fault}");
        assert!(fault.contains(": is not TOML: "), "{fault}");
    }
    assert!(told[0].starts_with("holdline.toml line 2: "), "{told:?}");
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let text = format!("{LEAST}[hold]\ntimeout = \"28s\"\n");
    let variables = environment(&[
        ("HOLDLINE_HOLD__TIMEOUT", "24s"),
        ("HOLDLINE_GATEWAY__LISTEN", "127.0.0.1:8081"),
        ("HOLDLINE_GATEWAY__0__UPSTREAM", "https://gateway.example"),
        ("HOLDLINE_GATEWAY__HOST", "pay.example, Pay.Example.Org"),
        ("HOLDLINE_SUBMIT__RESUBMITS", "1"),
        ("PATH", "/bin"),
    ]);
    let flags = Flags {
        listen: Some("127.0.0.1:8082".to_owned()),
        ..Flags::default()
    };
    let resolved = resolve(Some(&file(&text)), variables, &flags).unwrap();
    let gateway = &resolved.config.gateways[0];
    assert_eq!(gateway.name, "bepaid");
    assert_eq!(gateway.listen.port(), 8082);
    assert_eq!(gateway.origin.host(), "gateway.example");
    let hosts: Vec<&str> = gateway.hosts.iter().map(Host::as_str).collect();
    assert_eq!(hosts, ["pay.example", "pay.example.org"]);
    assert_eq!(resolved.config.proxy.hold, Duration::from_secs(24));
    assert_eq!(resolved.config.exchange.resubmits, 1);
    assert_eq!(resolved.places["gateway.listen"], Place::Flag("--listen"));
}

#[test]
fn two_flags_make_a_configuration_without_a_file() {
    let flags = Flags {
        listen: Some("127.0.0.1:0".to_owned()),
        upstream: Some("http://127.0.0.1:9100".to_owned()),
        ..Flags::default()
    };
    let config = resolve(None, [], &flags).unwrap().config;
    assert_eq!(config.gateways.len(), 1);
    assert_eq!(config.gateways[0].name, "gateway");
    let named = Flags {
        upstream: None,
        name: Some("bepaid".to_owned()),
        ..flags
    };
    let config = resolve(None, [], &named).unwrap().config;
    assert_eq!(config.gateways[0].origin.host(), "gateway.bepaid.by");
    let nothing = resolve(None, [], &Flags::default()).unwrap_err();
    assert_eq!(
        nothing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "command line: gateway is missing; write [[gateway]] in a file, or give --listen and \
             --upstream"
        ]
    );
}

#[test]
fn flags_cannot_speak_of_one_of_several_gateways() {
    let text = format!("{LEAST}[[gateway]]\nname = \"paycross\"\nlisten = \"127.0.0.1:8081\"\n");
    let flags = Flags {
        upstream: Some("https://gateway.example".to_owned()),
        ..Flags::default()
    };
    let told = resolve(Some(&file(&text)), [], &flags).unwrap_err();
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("--upstream: speaks of the only gateway, but there are 2"));
}

#[test]
fn variables_add_gateways_in_the_order_of_their_index() {
    let variables = environment(&[
        ("HOLDLINE_GATEWAY__1__NAME", "paycross"),
        ("HOLDLINE_GATEWAY__1__LISTEN", "127.0.0.1:8081"),
        ("HOLDLINE_GATEWAY__0__NAME", "bepaid"),
        ("HOLDLINE_GATEWAY__0__LISTEN", "127.0.0.1:8080"),
    ]);
    let config = resolve(None, variables, &Flags::default()).unwrap().config;
    let names: Vec<&str> = config
        .gateways
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["bepaid", "paycross"]);
}

#[test]
fn a_variable_that_names_no_key_is_a_fault_and_a_service_of_our_name_is_none() {
    let told = faults(
        LEAST,
        &[("HOLDLINE_HOLD_TIMEOUT", "24s"), ("HOLDLINE_DEBUG", "1")],
    );
    assert_eq!(
        told,
        [
            "environment variable HOLDLINE_DEBUG: names no key; a section and its key are joined \
             like in HOLDLINE_HOLD__TIMEOUT",
            "environment variable HOLDLINE_HOLD_TIMEOUT: names no key; did you mean \
             HOLDLINE_HOLD__TIMEOUT?",
        ]
    );
    let kubernetes = [
        ("HOLDLINE_SERVICE_HOST", "10.0.0.1"),
        ("HOLDLINE_SERVICE_PORT", "8080"),
        ("HOLDLINE_SERVICE_PORT_HTTP", "8080"),
        ("HOLDLINE_PORT", "tcp://10.0.0.1:8080"),
        ("HOLDLINE_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("HOLDLINE_ADMIN_PORT_9900_TCP_ADDR", "10.0.0.2"),
    ];
    assert_eq!(resolved(LEAST, &kubernetes).places.len(), 2);
}

#[test]
fn two_variables_for_one_key_are_a_fault() {
    let both = [
        ("HOLDLINE_GATEWAY__NAME", "one"),
        ("HOLDLINE_GATEWAY__0__NAME", "other"),
    ];
    let told = faults("", &both);
    assert!(
        told[0].contains("sets the key that HOLDLINE_GATEWAY__NAME sets too"),
        "{told:?}"
    );
}

#[test]
fn gateways_are_told_apart_by_name_listener_and_host() {
    let two = |one: &str, other: &str| {
        let upstream = "upstream = \"https://gateway.example\"";
        faults(
            &format!("[[gateway]]\n{upstream}\n{one}\n[[gateway]]\n{upstream}\n{other}\n"),
            &[],
        )
    };
    let named = |name: &str, listen: &str, more: &str| {
        format!("name = \"{name}\"\nlisten = \"{listen}\"\n{more}")
    };
    let (same, wide) = ("127.0.0.1:8080", "0.0.0.0:8080");
    let told = two(&named("a", same, ""), &named("a", "127.0.0.1:8081", ""));
    assert!(
        told[0].contains("line 8: gateway[1].name is the name of another gateway"),
        "{told:?}"
    );
    let told = two(&named("a", same, ""), &named("b", same, ""));
    assert!(
        told[0].contains("line 1: gateway[0].host is missing"),
        "{told:?}"
    );
    assert!(
        told[1].contains("line 6: gateway[1].host is missing"),
        "{told:?}"
    );
    let host = "host = [\"pay.example\"]";
    let told = two(
        &named("a", same, host),
        &named("b", same, "host = [\"PAY.example\"]"),
    );
    assert!(
        told[0].contains("line 10: gateway[1].host has pay.example, which is"),
        "{told:?}"
    );
    let told = two(&named("a", same, ""), &named("b", wide, ""));
    assert!(
        told[0].contains("gateway[1].listen takes the port of another"),
        "{told:?}"
    );
    let told = faults_of("[admin]\nlisten = \"0.0.0.0:8080\"\n");
    assert!(
        told[0].contains("admin.listen takes the same port as gateway.listen"),
        "{told:?}"
    );
}

#[test]
fn keys_that_contradict_each_other_are_told_where_one_of_them_is_written() {
    let told = faults_of("[hold]\ntimeout = \"3s\"\n");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("holdline.toml line 5: hold.timeout is below submit.start (5s); "));
    let told = faults_of("[coalesce]\nreclaim = \"25h\"\n");
    assert!(told[0].contains("line 5: coalesce.reclaim is above cache.retention (24h)"));
    let told = faults_of("[limits]\nrunning = 100\n");
    assert!(told[0].contains("limits.running is below limits.per_owner (9000)"));
    let told = faults_of("[polling]\nmin_interval = \"6m\"\nmax_interval = \"10m\"\n");
    assert_eq!(
        told,
        [
            "holdline.toml line 5: polling.min_interval is above hold.timeout (5m); every hold would \
             end before its first poll"
        ]
    );
    let short = "[polling]\nmax_interval = \"100ms\"\n";
    let long = "[polling]\ninterval = \"10m\"\nmax_interval = \"10m\"\n";
    let fixed = |text: &str| faults_of(&format!("{text}schedule = \"fixed\"\n"));
    assert!(fixed(short)[0].contains("polling.max_interval is below polling.interval (500ms)"));
    assert!(fixed(long)[0].contains("polling.interval is above hold.timeout (5m)"));
    // A learned plan begins with no such interval.
    for text in [short, long] {
        let config = resolved(&format!("{LEAST}{text}"), &[]).config;
        assert_eq!(config.polling.schedule, ScheduleKind::Learned);
    }
    let told = faults_of("[polling]\nmax_interval = \"10ms\"\n");
    assert!(told[0].contains("polling.max_interval is below polling.min_interval (20ms)"));
}

#[test]
fn what_should_be_known_is_warned_of() {
    assert_eq!(warned(""), Vec::<String>::new());
    assert_eq!(warned("[drain]\ntimeout = \"10s\"\n"), ["drain.timeout"]);
    assert_eq!(
        warned("[upstream]\nanswer_timeout = \"30s\"\n"),
        ["drain.timeout"]
    );
    assert_eq!(warned("[submit]\nresubmits = 1\n"), ["submit.resubmits"]);
    assert_eq!(
        warned("[polling]\nunknown_grace = \"0s\"\n"),
        ["polling.unknown_grace"]
    );
    for schedule in ["fixed", "exponential"] {
        let unused = "price = \"1s\"\nmin_interval = \"10m\"\n";
        assert_eq!(
            warned(&format!("[polling]\nschedule = \"{schedule}\"\n{unused}")),
            ["polling.price", "polling.min_interval"]
        );
    }
    let used = "[polling]\nprice = \"1s\"\nmin_interval = \"1s\"\n";
    assert_eq!(warned(used), Vec::<String>::new());
    assert_eq!(warned("[limits]\nheld = 20000\n"), ["limits.held"]);
    assert_eq!(warned("[limits]\nrunning = 9000\n"), ["limits.per_owner"]);
    assert_eq!(warned("[limits]\nheld = 9000\n"), ["limits.per_owner"]);
    assert_eq!(
        warned("[admin]\nlisten = \"[::]:9900\"\n"),
        ["admin.listen"]
    );
    assert_eq!(warned("insecure = true\n"), ["gateway.insecure"]);
    let plain = "upstream = \"http://gateway.example\"\ninsecure = true\nca_file = \"ca.pem\"\n";
    assert_eq!(warned(plain), ["gateway.insecure", "gateway.ca_file"]);
    assert_eq!(
        warned("upstream = \"http://127.0.0.1:9100\"\n"),
        Vec::<String>::new()
    );
}

#[test]
fn a_relative_path_starts_where_it_was_written() {
    let mut file = file(&format!("{LEAST}ca_file = \"ca.pem\"\n"));
    file.path = PathBuf::from("/etc/holdline/config.toml");
    let ca_file = |variables: &[(&str, &str)]| {
        let resolved = resolve(Some(&file), environment(variables), &Flags::default()).unwrap();
        resolved.config.gateways[0].ca_file.clone().unwrap()
    };
    assert_eq!(ca_file(&[]), PathBuf::from("/etc/holdline/ca.pem"));
    let variable = ("HOLDLINE_GATEWAY__CA_FILE", "ca.pem");
    assert_eq!(ca_file(&[variable]), PathBuf::from("ca.pem"));
}

#[test]
fn an_empty_text_takes_a_key_field_away() {
    let config = resolved(LEAST, &[("HOLDLINE_COALESCE__KEY_FIELD", "")]).config;
    assert_eq!(config.proxy.key_field, None);
    for taken in [
        "host",
        "Content-Length",
        "RequestID",
        "X-API-Version",
        "no field",
    ] {
        let told = faults_of(&format!("[coalesce]\nkey_field = \"{taken}\"\n"));
        assert_eq!(told.len(), 1, "{taken}");
    }
}

#[test]
fn a_host_is_a_name_without_a_port() {
    let host = |text: &str| text.parse::<Host>().map(|host| host.as_str().to_owned());
    assert_eq!(host("Pay.Example"), Ok("pay.example".to_owned()));
    assert_eq!(host("[::1]"), Ok("[::1]".to_owned()));
    for text in [
        "",
        "pay.example:443",
        "a@b",
        "https://pay.example",
        "pay example",
        "*.example",
        "a/b",
    ] {
        assert_eq!(host(text), Err(HostError), "{text}");
    }
}

#[test]
fn the_operators_address_is_found_though_other_keys_are_faulty() {
    let variables = [("HOLDLINE_ADMIN__LISTEN", "127.0.0.1:9901")];
    let found = sections(None, environment(&variables), &["admin"])
        .unwrap()
        .admin;
    assert_eq!(found.listen.port(), 9901);
    let broken = environment(&[("HOLDLINE_ADMIN__LISTEN", "9901")]);
    let told = sections(None, broken, &["admin"]).unwrap_err();
    assert_eq!(told.len(), 1);
}

proptest! {
    #[test]
    fn what_is_shown_as_in_force_reads_back_as_the_same(
        hold in 600_u64..86_400,
        running in 18_000_usize..1_000_000,
        weight in (1_u64 << 20)..(1 << 40),
        host in "[a-z]{1,9}(\\.[a-z]{1,9}){0,2}",
        level in "(info|warn),holdline::[a-z]{1,9}=debug",
    ) {
        let text = format!(
            "{LEAST}host = [\"{host}\"]\n[hold]\ntimeout = \"{hold}s\"\n[limits]\n\
             running = {running}\n[cache]\nmax_bytes = \"{weight}B\"\n[log]\nlevel = \"{level}\"\n"
        );
        let first = resolved(&text, &[]);
        let again = resolved(&first.to_toml(), &[]);
        prop_assert_eq!(first.config, again.config);
    }

    #[test]
    fn no_file_and_no_variable_makes_the_reader_panic(
        text in ".*|(\\[{1,2}(gateway|hold|log)\\]{1,2}\n\
                 ([a-z_]{1,8} = (1|\"[a-z0-9.:]*\"|\\[\\])\n)*)*",
        name in "HOLDLINE_[A-Z_0-9]{0,20}",
        value in ".*",
    ) {
        let _ = resolve(Some(&file(&text)), environment(&[(&name, &value)]), &Flags::default());
    }
}
