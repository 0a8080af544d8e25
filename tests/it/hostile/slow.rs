//! Clients that take their time.
use super::world::{configured, statuses};
use crate::stage::asking::Line;
use crate::stage::bench::ms;

#[tokio::test]
async fn a_head_or_a_body_that_trickles_is_cut_off_in_time() {
    let world = configured(|config| {
        config.listener.fields_timeout = ms(150);
        config.proxy.body_timeout = ms(150);
    })
    .await;
    let head = "POST /transactions/payments HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n";
    for begin in [
        head.to_owned(),
        format!("{head}Content-Length: 1000\r\n\r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n3e8\r\n"),
    ] {
        let mut line = Line::connect(world.bench.address).await;
        line.send(&world.spelled(&begin)).await;
        let (mut reads, mut writes) = line.stream.split();
        let trickle = async {
            let mut each = tokio::time::interval(ms(20));
            loop {
                each.tick().await;
                // Once it was cut off nobody takes it.
                let _gone = tokio::io::AsyncWriteExt::write_all(&mut writes, b"x").await;
            }
        };
        let mut read = String::new();
        tokio::select! {
            () = trickle => {}
            end = tokio::io::AsyncReadExt::read_to_string(&mut reads, &mut read) => drop(end),
        }
        assert_eq!(statuses(&read), [408], "{begin}: {read}");
    }
    world.still_serves().await;
}
