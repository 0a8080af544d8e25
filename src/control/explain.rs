//! What happened to an exchange, step by step: of what runs or ended a moment ago by its trail, of
//! all else by its records.
use tokio::sync::mpsc::Sender;

use super::listing::Source;
use super::why::Why;
use super::{Desk, Line};
use crate::exchange::Story;
use crate::telemetry::{Capped, with_causes};

impl Desk {
    /// Tells of every exchange that an id names.
    pub(super) async fn explain(&self, id: &str, lines: &Sender<Line>) -> Result<(), Why> {
        let mut stories = match &self.flights {
            Some(flights) => flights.stories(self.journal.as_ref(), id).await,
            None => Vec::new(),
        };
        if stories.is_empty()
            && let Some(journal) = &self.journal
        {
            stories = of_records(Source::Running(journal), id).await?;
        }
        tell(stories, id, lines).await
    }
}

/// The stories of the exchanges of a journal that an id names.
pub(super) async fn of_records(source: Source<'_>, id: &str) -> Result<Vec<Story>, Why> {
    let mut stories = Vec::new();
    for exchange in source.named(id, |_| true).await?.all() {
        let entries = source.entries(exchange.number).await;
        let entries = entries.map_err(|error| with_causes(&error))?;
        stories.push(Story::of_records(&exchange, &entries));
    }
    Ok(stories)
}

/// Sends them; that there is none is why nothing is told.
pub(super) async fn tell(stories: Vec<Story>, id: &str, lines: &Sender<Line>) -> Result<(), Why> {
    if stories.is_empty() {
        return Err(format!(
            "nothing is remembered of an exchange with the id {}; \
             holdline journal ls shows every id beside its tracking id",
            Capped(id)
        ));
    }
    for story in stories {
        // Where nobody listens any more the rest is not told.
        if lines.send(Line::Story(Box::new(story))).await.is_err() {
            break;
        }
    }
    Ok(())
}
