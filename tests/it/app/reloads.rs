//! Reloads of a whole holdline in the test's own process.
use std::path::PathBuf;

use holdline::app::{App, Reload};
use holdline::certificates::PairFiles;
use holdline::config::{File, Flags, Resolved, resolve};
use holdline::drain::Drain;

use crate::secure::Authority;
use crate::stage::asking::Asking;

fn read(text: &str) -> Resolved {
    let file = File {
        path: PathBuf::from("holdline.toml"),
        text: format!(
            "[admin]\nlisten = \"127.0.0.1:0\"\n[journal]\nin_memory = true\n\
             [[gateway]]\nname = \"one\"\nlisten = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:9\"\n{text}"
        ),
    };
    resolve(Some(&file), [], &Flags::default()).unwrap()
}

#[tokio::test]
async fn a_certificate_that_another_listener_still_shows_keeps_its_metric() {
    let authority = Authority::new();
    let both = [
        authority.pair("one.example"),
        authority.pair("other.example"),
    ];
    let shows = |pair: &PairFiles| {
        format!(
            "tls_certificate = {:?}\ntls_key = {:?}\n",
            pair.certificate, pair.key
        )
    };
    let with = |other: &PairFiles| {
        read(&format!(
            "{}[[gateway]]\nname = \"other\"\nlisten = \"127.0.0.2:0\"\n\
             upstream = \"http://127.0.0.1:9\"\n{}",
            shows(&both[0]),
            shows(other)
        ))
    };
    let app = App::build(with(&both[0]).config).unwrap();
    let (admin, changed) = (app.admin_address().unwrap(), with(&both[1]));
    let reload = app.reloader().reload(move || Ok(changed)).await;
    assert_eq!(reload, Reload::Applied { changed: 2 });
    let drain = Drain::new();
    drop(drain.spawn(app.run(std::future::pending(), std::future::pending())));
    let metrics = Asking::new(admin, "GET", "/metrics").anonymous();
    let metrics = metrics.send().await.text();
    for PairFiles { certificate, .. } in &both {
        let shown = format!("{{file=\"{}\"}}", certificate.display());
        assert!(metrics.contains(&shown), "{shown}: {metrics}");
    }
}

/// What stays because its key waits for a restart is what was read at the start.
#[tokio::test]
async fn files_that_are_named_no_more_are_not_read_again() {
    let authority = Authority::new();
    let [kept, renewed] = ["one.example", "other.example"].map(|host| authority.pair(host));
    let issuers = kept.certificate.with_extension("ca");
    std::fs::copy(&kept.certificate, &issuers).unwrap();
    let shows = |pair: &PairFiles| {
        format!(
            "tls_certificate = {:?}\ntls_key = {:?}\n",
            pair.certificate, pair.key
        )
    };
    let gateway = |name: &str, port: u16, more: &str| {
        format!(
            "[[gateway]]\nname = \"{name}\"\nlisten = \"127.0.0.3:0\"\nhost = [\"{name}.example\"]\n\
             upstream = \"https://127.0.0.1:{port}\"\n{more}"
        )
    };
    let trusting = format!("ca_file = {issuers:?}\n{}", shows(&kept));
    let begun = gateway("a", 1, &shows(&renewed)) + &gateway("b", 1, &trusting);
    let app = App::build(read(&begun).config).unwrap();
    for file in [&issuers, &kept.certificate, &kept.key] {
        std::fs::remove_file(file).unwrap();
    }
    let moved = gateway("a", 1, &shows(&renewed)) + &gateway("b", 2, &shows(&renewed));
    let alone = gateway("a", 1, &shows(&renewed));
    for text in [alone, moved] {
        let text = format!("{text}[hold]\ntimeout = \"1m\"\n");
        let reload = app.reloader().reload(move || Ok(read(&text))).await;
        assert!(matches!(reload, Reload::Partly { .. }), "{reload:?}");
    }
}

#[tokio::test]
async fn a_reload_that_is_read_to_its_end_during_a_stop_changes_nothing() {
    let app = App::build(read("").config).unwrap();
    let reloader = app.reloader();
    app.run(std::future::ready(()), std::future::pending())
        .await;
    let longer = || Ok(read("[upstream]\nanswer_timeout = \"1m\"\n"));
    assert_eq!(reloader.reload(longer).await, Reload::Refused);
}
