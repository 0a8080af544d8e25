//! The tasks without which nothing goes on: each lives until the stop, and one that ends before is
//! never left alone.
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::task::JoinHandle;

/// The tasks, each with its name.
#[derive(Default)]
pub(super) struct Pillars(Vec<(&'static str, JoinHandle<()>)>);

impl Pillars {
    pub(super) fn add(&mut self, name: &'static str, task: JoinHandle<()>) {
        self.0.push((name, task));
    }

    /// Returns the name of the first that ends, in order or in a panic.
    pub(super) async fn fallen(&mut self) -> &'static str {
        poll_fn(|context| {
            let ended = self
                .0
                .iter_mut()
                .find_map(|(name, task)| Pin::new(task).poll(context).is_ready().then_some(*name));
            ended.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::Drain;

    #[tokio::test]
    async fn the_one_that_panics_or_ends_is_named() {
        let (drain, mut pillars) = (Drain::new(), Pillars::default());
        pillars.add("stands", drain.spawn(std::future::pending()));
        pillars.add("panics", drain.spawn(async { panic!("a pillar falls") }));
        assert_eq!(pillars.fallen().await, "panics");
        let mut pillars = Pillars::default();
        pillars.add("stands", drain.spawn(std::future::pending()));
        pillars.add("ends", drain.spawn(async {}));
        assert_eq!(pillars.fallen().await, "ends");
    }
}
