//! Of which task a soft answer is kept, and what is known of the task once it is taken back.
use super::super::{Event, Polled, RecordKind, State};
use super::story::{Story, payment, resubmitting};

/// A soft answer of task A is kept when the driver is lost, and the resubmit of a repeat is given `task`,
/// which the gateway does not know for as long as the grace lasts.
fn resubmitted_into(task: &str) -> Story {
    resubmitting()
        .polling()
        .polled(Polled::Soft("perhaps"))
        .recorded()
        .then(Event::DriverLost)
        .after(10)
        .joined()
        .recorded()
        .handed_over()
        .accepted(task)
        .recorded()
        .woken()
        .unknown_for_the_grace()
        .polled(Polled::Unknown)
}

#[test]
fn a_soft_answer_of_one_task_is_not_the_result_of_another() {
    let same = resubmitted_into("A").machine.state();
    assert_eq!(same, State::Recording(RecordKind::Completed));
    let another = resubmitted_into("B").machine.state();
    assert_eq!(another, State::Asking);
}

/// The gateway's page crashed once; when the task was done its result was cut, and is read again.
#[test]
fn a_task_is_not_done_by_what_is_taken_back() {
    let taken_back = payment()
        .polling()
        .polled(Polled::Soft("perhaps"))
        .recorded()
        .after(7)
        .woken()
        .polled(Polled::Broken);
    let (_, done) = taken_back.machine.watch().took().unwrap();
    assert_eq!(done, None);
}
