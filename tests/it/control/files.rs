//! The same while no holdline runs: the file itself is read, and a verdict is written into it.
use std::fs;

use super::desk::{Desk, exchange, is_told_executed};

#[tokio::test]
async fn a_verdict_on_the_file_is_honoured_by_the_next_process() {
    let mut desk = Desk::open().await;
    let (made, unmade) = (desk.payment(), desk.payment().amount(200));
    let (_, executed) = desk.doubtful(made.clone(), "swallow").await;
    let (_, not) = desk.doubtful(unmade.clone(), "bad-gateway").await;
    desk.holdline.kill();
    assert_eq!(desk.listed(&["--in-doubt"]).len(), 2);
    let asked = desk.ask(&["journal", "ls"]).note.unwrap();
    assert!(
        asked.contains(desk.holdline.journal().to_str().unwrap()),
        "{asked}"
    );
    assert_eq!(desk.listed(&["--undelivered"]).len(), 0);
    let shown = desk.ask(&["journal", "show", &executed]);
    assert!(shown.fine().contains("cause            submit-lost"));
    let nobody = desk.ask(&["journal", "show", "nothing"]);
    nobody.fails(1, "no exchange of the journal has the id");
    desk.resolve("nothing", "executed").fails(1, "no exchange");
    let verified = desk.ask(&["journal", "verify"]);
    assert!(verified.fine().starts_with("sound: 2 exchanges, "));
    desk.resolve(&executed, "executed").fine();
    desk.resolve(&not, "not-executed").fine();
    desk.resolve(&not, "executed").fails(1, "no exchange");
    assert_eq!(desk.listed(&["--in-doubt"]).len(), 0, "all is settled");
    let overturned = desk.resolve(&executed, "not-executed");
    overturned.fails(1, "the exchange is settled as executed already");
    desk.resolve(&executed, "executed").fine();
    let shown = desk.ask(&["journal", "show", &executed]);
    assert!(shown.fine().contains("state            settled"));
    desk.ask(&["journal", "verify"]).fine();
    desk.holdline.start().await;
    is_told_executed(&made.send().await);
    assert_eq!(desk.submits(), 2);
    let answer = unmade.send().await;
    assert_ne!(exchange(answer.is_gateway(200)), not);
    assert_eq!(desk.submits(), 3);
}

#[tokio::test]
async fn a_verdict_makes_no_file_which_would_belong_to_who_gives_it() {
    let mut desk = Desk::open().await;
    let made = desk.payment();
    let (_, executed) = desk.doubtful(made, "swallow").await;
    assert_eq!(desk.holdline.stop().await, Some(0));
    let aside = desk.holdline.directory().join("aside");
    for file in [desk.holdline.wal(), desk.holdline.mark()] {
        fs::rename(&file, &aside).unwrap();
        let refused = desk.resolve(&executed, "executed");
        refused.fails(1, &format!("and {} is not there", file.display()));
        assert!(!file.exists());
        fs::rename(&aside, &file).unwrap();
    }
    desk.resolve(&executed, "executed").fine();
}

#[tokio::test]
async fn no_verdict_is_written_over_an_answer_or_a_task() {
    let mut desk = Desk::open().await;
    let delivered = desk.payment().key("delivered");
    delivered.send().await.is_gateway(200);
    let running = desk.payment().key("runs").words("hold").send().await;
    running.is_in_progress();
    assert_eq!(desk.holdline.stop().await, Some(0));
    for id in ["delivered", "runs"] {
        for verdict in ["executed", "not-executed"] {
            desk.resolve(id, verdict).fails(1, "is not in doubt");
        }
    }
    assert_eq!(desk.listed(&["--in-doubt"]).len(), 0);
}

#[tokio::test]
async fn no_file_is_told_in_words() {
    let desk = Desk::closed().await;
    for words in [
        &["journal", "ls"][..],
        &["journal", "verify"],
        &["journal", "show", "x"],
        &["resolve", "x", "--as", "executed", "--reason", "x"],
    ] {
        desk.ask(words).fails(1, "there is no journal at");
    }
    assert!(!desk.holdline.journal().exists());
}

#[tokio::test]
async fn a_flipped_byte_is_told() {
    let mut desk = Desk::open().await;
    for number in 0..6 {
        let key = format!("order-{number}");
        let payment = desk.payment().key(&key).amount(100 + number);
        payment.send().await.is_gateway(200);
    }
    assert_eq!(desk.holdline.stop().await, Some(0));
    let verified = desk.ask(&["journal", "verify"]);
    assert!(verified.fine().starts_with("sound: 6 exchanges, "));
    let whole = fs::read(desk.holdline.journal()).unwrap();
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let mut damaged = 0;
    for at in used.iter().step_by(used.len() / 24) {
        let mut bytes = whole.clone();
        bytes[*at] ^= 4;
        fs::write(desk.holdline.journal(), bytes).unwrap();
        let said = desk.ask(&["journal", "verify"]);
        match said.code {
            // It was in a page that is free.
            Some(0) => assert!(said.out.starts_with("sound: 6 exchanges, "), "{said:?}"),
            Some(1) => {
                damaged += 1;
                let words = [said.out.as_str(), &said.complaint].concat();
                assert!(!words.contains("panicked at"), "byte {at}: {words}");
                assert!(words.lines().count() >= 1, "byte {at}");
            }
            _ => panic!("byte {at}: {said:?}"),
        }
    }
    assert!(damaged > 2, "{damaged}");
    fs::write(desk.holdline.journal(), whole).unwrap();
    desk.ask(&["journal", "verify"]).fine();
}
