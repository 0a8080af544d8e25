//! How polling stands on each route of a running holdline.
use tokio::sync::mpsc::Sender;

use super::why::Why;
use super::{Desk, Line};
use crate::polling::Sketch;
use crate::telemetry::Capped;

impl Desk {
    /// Tells of every route, or of those that are asked for.
    pub(super) async fn polling(
        &self,
        gateway: Option<&str>,
        route: Option<&str>,
        lines: &Sender<Line>,
    ) -> Result<(), Why> {
        let nobody = "no process polls for this journal";
        let flights = self.flights.as_ref().ok_or(nobody)?;
        let all = flights.sketches().into_iter();
        let is_asked_for = |sketch: &Sketch| {
            gateway.is_none_or(|it| it == sketch.gateway())
                && route.is_none_or(|it| it == sketch.route())
        };
        let (asked, others): (Vec<Sketch>, Vec<Sketch>) = all.partition(is_asked_for);
        if asked.is_empty() && (gateway.is_some() || route.is_some()) {
            return Err(unknown(gateway, route, &others));
        }
        for sketch in asked {
            // The curve takes milliseconds, in which exchanges go on.
            let drawing = tokio::task::spawn_blocking(move || sketch.picture());
            let picture = drawing.await.map_err(|error| error.to_string())?;
            // Where nobody listens any more the rest is not told.
            if lines.send(Line::Polling(Box::new(picture))).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// That nothing is known of what was asked for, and of what something is.
fn unknown(gateway: Option<&str>, route: Option<&str>, others: &[Sketch]) -> Why {
    let named = [("gateway", gateway), ("route", route)];
    let named = named
        .iter()
        .filter_map(|(what, name)| Some(format!("{what} {}", Capped((*name)?))));
    let named = named.collect::<Vec<_>>().join(" with ");
    let known = others
        .iter()
        .map(|it| format!("{} {}", it.gateway(), it.route()));
    let known = known.collect::<Vec<_>>().join(", ");
    if known.is_empty() {
        format!("nothing is known yet of {named}, nor of any other: no exchange has begun")
    } else {
        format!("nothing is known of {named}; something is of {known}")
    }
}
