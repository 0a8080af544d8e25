//! The shop of the composition, which knows nothing of holdline, pays through it.
use std::process::Command;
use std::time::Duration;

use super::texts::root;
use crate::clients::is_here;
use crate::sidecar::{shop, sidecar, upstream};

#[tokio::test]
async fn the_shop_of_the_composition_pays() {
    let probe = ["-r", "exit(extension_loaded('curl') ? 0 : 1);"];
    if !is_here("php", &probe) {
        return;
    }
    let upstream = upstream(Duration::from_millis(100)).await;
    let sidecar = sidecar(upstream.address, "");
    // Run at the command line, PHP takes what a server would tell it from the environment.
    let mut page = Command::new("php");
    page.args(["-d", "variables_order=EGPCS"])
        .arg(root().join("deploy/compose/shop/index.php"))
        .env("REQUEST_METHOD", "POST")
        .env("GATEWAY", format!("http://{}", sidecar.address))
        .env("SHOP", shop())
        .env("NO_PROXY", "127.0.0.1");
    let page = tokio::task::spawn_blocking(move || page.output());
    let page = page.await.unwrap().unwrap();
    let shown = String::from_utf8(page.stdout).unwrap();
    assert!(shown.contains("<strong>Successfully processed"), "{shown}");
    assert_eq!(upstream.gateway.ledger().charges.len(), 1);
}
