//! The shop of the composition, which knows nothing of holdline, pays through it.
use std::process::Command;
use std::time::Duration;

use super::texts::root;
use crate::clients::is_here;
use crate::sidecar::{shop, sidecar, upstream};

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
        .env("SHOP", shop())
        .env("NO_PROXY", "127.0.0.1,localhost");
    let page = tokio::task::spawn_blocking(move || page.output());
    String::from_utf8(page.await.unwrap().unwrap().stdout).unwrap()
}

#[tokio::test]
async fn the_shop_of_the_composition_pays() {
    if !has_curl() {
        return;
    }
    let upstream = upstream(Duration::from_millis(100)).await;
    let sidecar = sidecar(upstream.address, "");
    let shown = page(&format!("http://{}", sidecar.address), &[]).await;
    assert!(shown.contains("<strong>Successfully processed"), "{shown}");
    assert_eq!(upstream.gateway.ledger().charges.len(), 1);
}
