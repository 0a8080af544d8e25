//! What a journal that nobody holds answers.
use tokio::sync::mpsc::Sender;

use super::listing::{Listing, Source};
use super::stands::Stands;
use super::{Ask, Line, explain};
use crate::journal::Reader;
use crate::timing::Stamp;

/// Answers from a file that nobody holds, damaged or not; it is not changed. A verdict needs a journal
/// that can be written: see [`Desk::alone`](super::Desk::alone).
pub async fn read(
    reader: &mut Reader,
    ask: Ask,
    now: Stamp,
    lines: &Sender<Line>,
) -> Result<(), String> {
    match ask {
        Ask::List { only } => unattended(reader, now).list(only, lines).await,
        Ask::Show { id } => unattended(reader, now).show(&id, lines).await,
        Ask::Explain { id } => {
            let stories = explain::of_records(Source::File(reader), &id).await?;
            explain::tell(stories, &id, lines).await
        }
        Ask::Verify => {
            let report = reader.verify()?;
            // Who asked may have gone, here and below.
            let _ = lines.send(Line::Soundness(report.into())).await;
            Ok(())
        }
        Ask::Polling { .. } => Err("a file does not poll".to_owned()),
        Ask::Log { .. } => Err("a file has no log".to_owned()),
        Ask::Resolve { .. } => Err("a file that is only read takes no verdict".to_owned()),
    }
}

const fn unattended(reader: &Reader, now: Stamp) -> Listing<'_> {
    Listing {
        source: Source::File(reader),
        stands: Stands::Unattended,
        now,
    }
}
