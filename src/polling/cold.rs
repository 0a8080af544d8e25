//! The plan of who knows nothing: close at first, then rarer with the time that has passed.
use super::plan::Terms;

/// Its first instants, in seconds.
const COLD: [f64; 8] = [0.4, 0.8, 1.3, 2.0, 3.0, 4.5, 6.5, 9.0];

/// How the waits grow after them, as a share of the time so far.
const COLD_GROWTH: f64 = 1.0 / 3.0;

/// The plan of who knows nothing, up to the horizon.
pub(super) fn cold(horizon: f64, terms: Terms) -> Vec<f64> {
    let grown = |at: f64| at + (at * COLD_GROWTH).clamp(terms.floor, terms.ceiling);
    let last = COLD.last().copied().unwrap_or_default();
    let tail = std::iter::successors(Some(grown(last)), |&at| Some(grown(at)));
    let all = COLD.into_iter().chain(tail);
    let mut instants: Vec<f64> = Vec::new();
    for at in all {
        let before = instants.last().copied().unwrap_or_default();
        let at = at.min(before + terms.ceiling);
        if at >= horizon {
            break;
        }
        if at - before >= terms.floor {
            instants.push(at);
        }
    }
    instants.push(horizon);
    instants
}
