//! The shop of the composition, which knows nothing of holdline, pays through it.
use std::process::Command;

use holdline::simulator::{DEMO_KEY, DEMO_SHOP};

use super::texts::root;
use crate::clients::is_here;
use crate::stage::bench::{holdline, ms, simulator};

/// True if there is a PHP that can run its page.
pub(super) fn has_curl() -> bool {
    is_here("php", &["-r", "exit(extension_loaded('curl') ? 0 : 1);"])
}

/// What its page shows when somebody pays, where this is its gateway.
pub(super) async fn page(gateway: &str, settings: &[&str]) -> String {
    // Run at the command line, PHP takes what a server would tell it from the environment.
    let mut page = Command::new("php");
    page.args(["-d", "variables_order=EGPCS"])
        .args(settings)
        .arg(root().join("deploy/compose/shop/index.php"))
        .env("REQUEST_METHOD", "POST")
        .env("GATEWAY", gateway)
        .env("SHOP", format!("{DEMO_SHOP}:{DEMO_KEY}"))
        .env("NO_PROXY", "127.0.0.1,localhost");
    let page = tokio::task::spawn_blocking(move || page.output());
    String::from_utf8(page.await.unwrap().unwrap().stdout).unwrap()
}

#[tokio::test]
async fn the_shop_of_the_composition_pays() {
    if !has_curl() {
        return;
    }
    let bench = holdline().gateway(simulator().latency(ms(100)));
    let bench = bench.start().await;
    let shown = page(&format!("http://{}", bench.address), &[]).await;
    assert!(shown.contains("<strong>Successfully processed"), "{shown}");
    assert_eq!(bench.ledger().charges.len(), 1);
}
