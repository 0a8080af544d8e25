//! `holdline check` and the command line, as a process sees them.
use crate::stage::bench::refusing;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::secure::Authority;

/// A sound file that says little.
const SOUND: &str = "[[gateway]]\nname = \"bepaid\"\nlisten = \"127.0.0.1:8080\"\n";

/// The built binary with an environment of its own.
fn holdline(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdline"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn complaints(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Checks a file that says `text`.
fn check(text: &str, more: &[&str], variables: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdline.toml");
    fs::write(&file, text).unwrap();
    let arguments = [&["check", "--config", file.to_str().unwrap()], more].concat();
    holdline(&arguments, variables)
}

#[test]
fn the_example_is_sound_and_without_warnings() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml.example");
    let checked = holdline(&["check", "--config", example.to_str().unwrap()], &[]);
    assert_eq!(complaints(&checked), "");
    assert_eq!(checked.status.code(), Some(0));
    assert!(out(&checked).contains("[[gateway]]\nname = \"begateway\""));
}

#[test]
fn a_sound_file_shows_what_is_in_force_and_where_it_comes_from() {
    let variables = [("HOLDLINE_HOLD__TIMEOUT", "24s")];
    let checked = check(SOUND, &["--listen", "127.0.0.1:8081"], &variables);
    assert_eq!(checked.status.code(), Some(0), "{}", complaints(&checked));
    let line = |key: &str| {
        out(&checked)
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap()
    };
    assert!(line("listen = \"127.0.0.1:8081\"").ends_with(" # --listen; restart"));
    assert!(line("timeout = \"24s\"").ends_with(" # environment variable HOLDLINE_HOLD__TIMEOUT"));
    assert!(line("name = \"bepaid\"").ends_with("holdline.toml line 2; restart"));
}

#[test]
fn every_fault_is_told_with_its_place_and_the_exit_code_is_78() {
    let text = format!("{SOUND}[hold]\ntimeout = \"24\"\n[submit]\nstrat = \"5s\"\n");
    let variables = [("HOLDLINE_LOG__FORMAT", "xml")];
    let checked = check(&text, &["--upstream", "gateway.example"], &variables);
    assert_eq!(checked.status.code(), Some(78));
    assert_eq!(out(&checked), "");
    let told = complaints(&checked);
    assert!(told.contains("the configuration has 4 faults:"), "{told}");
    assert!(
        told.contains("holdline.toml line 5: hold.timeout \"24\" has a number"),
        "{told}"
    );
    assert!(
        told.contains("line 7: submit.strat is not known; did you mean start?"),
        "{told}"
    );
    assert!(
        told.contains("environment variable HOLDLINE_LOG__FORMAT: log.format"),
        "{told}"
    );
    assert!(
        told.contains("--upstream: gateway.upstream is no origin"),
        "{told}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.toml");
    let checked = holdline(&["check", "--config", missing.to_str().unwrap()], &[]);
    assert_eq!(checked.status.code(), Some(78));
    assert!(complaints(&checked).contains("missing.toml: cannot be read: "));
}

#[test]
fn a_file_of_certificates_is_opened_beside_the_file_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdline.toml");
    fs::write(&file, format!("{SOUND}ca_file = \"ca.pem\"\n")).unwrap();
    let check = || holdline(&["check", "--config", file.to_str().unwrap()], &[]);

    let checked = check();
    assert_eq!(checked.status.code(), Some(78));
    assert!(complaints(&checked).contains("line 4: gateway.ca_file names "));
    assert!(complaints(&checked).contains("it cannot be read: "));

    fs::write(directory.path().join("ca.pem"), "no certificate").unwrap();
    assert!(complaints(&check()).contains("it has no certificate in it"));

    let issuer = rcgen::generate_simple_self_signed(["issuer.example".to_owned()]).unwrap();
    fs::write(directory.path().join("ca.pem"), issuer.cert.pem()).unwrap();
    let checked = check();
    assert_eq!(checked.status.code(), Some(0), "{}", complaints(&checked));
}

#[test]
fn each_fault_of_a_listeners_certificates_is_told_where_its_key_stands() {
    let authority = Authority::new();
    let folder = authority.folder();
    let check = |certificate: &str, key: &str, more: &str| {
        let keys = format!("tls_certificate = {certificate:?}\ntls_key = {key:?}\n{more}");
        let file = folder.join("holdline.toml");
        fs::write(&file, format!("{SOUND}{keys}")).unwrap();
        holdline(&["check", "--config", file.to_str().unwrap()], &[])
    };
    authority.pair("one.example");
    authority.pair("two.example");
    authority.pair_until("old.example", 2020);
    for (certificate, key, more, told) in [
        (
            "none.pem",
            "one.example.key",
            "",
            "line 4: gateway.tls_certificate names ",
        ),
        (
            "one.example.pem",
            "none.key",
            "",
            "line 5: gateway.tls_key names ",
        ),
        (
            "one.example.pem",
            "two.example.key",
            "",
            "it is not the key of the certificate in ",
        ),
        (
            "one.example.key",
            "one.example.key",
            "",
            "it has no certificate in it",
        ),
        (
            "one.example.pem",
            "one.example.pem",
            "",
            "it has no private key in it",
        ),
        (
            "one.example.pem",
            "",
            "",
            "line 4: gateway.tls_certificate needs tls_key; write one key for",
        ),
        (
            "",
            "one.example.key",
            "",
            "line 5: gateway.tls_key needs tls_certificate",
        ),
        (
            "",
            "",
            "tls_client_ca = \"ca.pem\"\n",
            "tls_client_ca needs tls_certificate",
        ),
        (
            "one.example.pem",
            "one.example.key",
            "tls_client_ca = \"none.pem\"\n",
            "line 6: gateway.tls_client_ca names ",
        ),
        (
            "one.example.pem",
            "one.example.key",
            "client_certificate = \"one.example.pem\"\n",
            "gateway.client_certificate needs client_key",
        ),
    ] {
        let checked = check(certificate, key, more);
        assert_eq!(checked.status.code(), Some(78), "{told}");
        assert!(
            complaints(&checked).contains(told),
            "{}",
            complaints(&checked)
        );
    }
    let checked = check(
        "old.example.pem",
        "old.example.key",
        "host = [\"new.example\"]\n",
    );
    assert_eq!(checked.status.code(), Some(0), "{}", complaints(&checked));
    for told in [
        "old.example.pem has expired on 2020-01-01T00:00:00Z: clients refuse it.",
        "old.example.key, and with it be this host: chmod 600.",
        "None of the certificates is for the host new.example.",
    ] {
        assert!(
            complaints(&checked).contains(told),
            "{}",
            complaints(&checked)
        );
    }
}

#[test]
fn a_file_of_a_certificate_that_does_not_read_may_be_there_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdline.toml");
    let tls = "tls_certificate = \"none.pem\"\ntls_key = \"none.key\"\n";
    let told = "gateway.tls_certificate names ";
    let cases = [
        ("run", "", told, 1),
        ("check", "", told, 78),
        // No start mends the other one.
        ("run", "[holdd]\n", "holdd is no section that is known", 78),
    ];
    for (command, more, told, code) in cases {
        fs::write(&file, format!("{SOUND}{tls}{more}")).unwrap();
        let ended = holdline(&[command, "--config", file.to_str().unwrap()], &[]);
        assert_eq!(ended.status.code(), Some(code), "{command} {more}");
        assert!(complaints(&ended).contains(told), "{}", complaints(&ended));
    }
}

#[test]
fn a_command_that_asks_says_78_too_where_the_configuration_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdline.toml");
    fs::write(&file, "[journal]\npaht = \"here\"\n").unwrap();
    let asked = holdline(&["journal", "ls", "--config", file.to_str().unwrap()], &[]);
    assert_eq!(asked.status.code(), Some(78));
    assert!(complaints(&asked).contains("line 2: journal.paht is not known"));
}

#[test]
fn who_listens_no_more_changes_no_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdline.toml");
    for (text, code) in [(SOUND, 0), ("[holdd]\n", 78)] {
        fs::write(&file, text).unwrap();
        let deaf = || {
            let (_, writer) = std::io::pipe().unwrap();
            writer
        };
        let checked = Command::new(env!("CARGO_BIN_EXE_holdline"))
            .args(["check", "--config", file.to_str().unwrap()])
            .env_clear()
            .stdout(deaf())
            .stderr(deaf())
            .status();
        assert_eq!(checked.unwrap().code(), Some(code), "{text}");
    }
}

#[test]
fn that_nobody_is_asked_for_a_certificate_is_told_where_one_is_required() {
    let authority = Authority::new();
    authority.pair("one.example");
    let file = authority.folder().join("holdline.toml");
    let keys = "tls_certificate = \"one.example.pem\"\ntls_key = \"one.example.key\"\n\
                tls_clients = \"required\"\n";
    fs::write(&file, format!("{SOUND}{keys}")).unwrap();
    let checked = holdline(&["check", "--config", file.to_str().unwrap()], &[]);
    assert_eq!(checked.status.code(), Some(0), "{}", complaints(&checked));
    let told = "line 6: gateway.tls_clients: No client is asked for a certificate";
    assert!(
        complaints(&checked).contains(told),
        "{}",
        complaints(&checked)
    );
}

#[test]
fn gateways_of_one_listener_speak_tls_alike() {
    let gateway = |name: &str, tls: &str| {
        format!(
            "[[gateway]]\nname = \"{name}\"\nlisten = \"127.0.0.1:8443\"\nhost = [\"{name}.example\"]\n\
             upstream = \"https://{name}.example\"\n{tls}"
        )
    };
    let tls = "tls_certificate = \"a.pem\"\ntls_key = \"a.key\"\n";
    let checked = check(&(gateway("one", tls) + &gateway("two", "")), &[], &[]);
    let told = "gateway[1].tls_certificate is written for one gateway of this listener and not";
    assert!(
        complaints(&checked).contains(told),
        "{}",
        complaints(&checked)
    );
    let asking = format!("{tls}tls_client_ca = \"ca.pem\"\n");
    let checked = check(&(gateway("one", tls) + &gateway("two", &asking)), &[], &[]);
    let told = "gateway[1].tls_client_ca is not that of another gateway on the same listener";
    assert!(
        complaints(&checked).contains(told),
        "{}",
        complaints(&checked)
    );
}

#[test]
fn warnings_are_told_and_do_no_harm() {
    let checked = check(SOUND, &["--listen", "0.0.0.0:8080"], &[]);
    assert_eq!(checked.status.code(), Some(0));
    assert!(
        complaints(&checked).starts_with("warning: --listen: gateway.listen: 0.0.0.0:8080 is open")
    );
}

#[test]
fn a_wrong_command_line_exits_with_64_and_help_with_0() {
    assert_eq!(holdline(&["chek"], &[]).status.code(), Some(64));
    assert_eq!(
        holdline(&["check", "--conf", "x"], &[]).status.code(),
        Some(64)
    );
    assert_eq!(holdline(&[], &[]).status.code(), Some(64));
    let help = holdline(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    assert!(out(&help).contains("HOLDLINE_HOLD__TIMEOUT"));
    let version = holdline(&["--version"], &[]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(
        out(&version),
        concat!("holdline ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn a_healthcheck_of_nobody_fails_in_one_line() {
    let (_place, origin) = refusing();
    let address = origin.trim_start_matches("http://");
    let asked = holdline(&["healthcheck"], &[("HOLDLINE_ADMIN__LISTEN", address)]);
    assert_eq!(asked.status.code(), Some(1));
    let line = format!("not alive: http://{address}/livez: failed to connect: ");
    assert!(out(&asked).starts_with(&line), "{}", out(&asked));
    assert_eq!(out(&asked).lines().count(), 1);
    let odd = holdline(&["healthcheck", "--url", "ftp://127.0.0.1/livez"], &[]);
    assert_eq!(odd.status.code(), Some(64));
}

#[test]
fn a_configuration_without_an_end_is_refused() {
    let checked = holdline(&["check", "--config", "/dev/zero"], &[]);
    assert_eq!(checked.status.code(), Some(78));
    assert!(
        complaints(&checked).contains("/dev/zero: is larger than 1 MiB"),
        "{}",
        complaints(&checked)
    );
}
