//! The plan of who knows nothing: close at first, then rarer with the time that has passed.
use super::plan::Terms;

/// Its first instants, in seconds.
const COLD: [f64; 8] = [0.4, 0.8, 1.3, 2.0, 3.0, 4.5, 6.5, 9.0];

/// How the waits grow after them, as a share of the time so far.
const COLD_GROWTH: f64 = 1.0 / 3.0;

/// The plan of who knows nothing, up to the horizon, where polls are so many times as dear as usual:
/// waits grow with the root of that, as those of any plan do where polls are many (Keller 1974).
pub(in crate::polling) fn cold(terms: Terms, dearer: f64) -> Vec<f64> {
    let longer = dearer.max(1.0).sqrt();
    let growth = COLD_GROWTH * longer;
    let grown = |at: f64| at + (at * growth).clamp(terms.floor, terms.ceiling_after(at));
    let first = COLD.map(|at| at * longer);
    let last = first.last().copied().unwrap_or_default();
    let tail = std::iter::successors(Some(grown(last)), |&at| Some(grown(at)));
    let all = first.into_iter().chain(tail);
    let mut instants: Vec<f64> = Vec::new();
    for at in all {
        let before = instants.last().copied().unwrap_or_default();
        let at = at.min(before + terms.ceiling_after(before));
        if at >= terms.horizon {
            break;
        }
        if at - before >= terms.floor {
            instants.push(at);
        }
    }
    instants.push(terms.horizon);
    instants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_polls_are_dearer_the_waits_are_longer_and_the_hold_ends_as_before() {
        let terms = Terms {
            price: 0.05,
            floor: 0.05,
            ceiling: 10.0,
            horizon: 60.0,
        };
        let usual = cold(terms, 1.0);
        let dear = cold(terms, 4.0);
        assert_eq!(usual[..3], [0.4, 0.8, 1.3]);
        assert_eq!(dear[..3], [0.8, 1.6, 2.6]);
        assert_eq!((usual.last(), dear.last()), (Some(&60.0), Some(&60.0)));
        assert_eq!(cold(terms, 0.5), usual);
    }
}
