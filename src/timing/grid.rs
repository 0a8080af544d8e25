//! Wake-ups gathered on a grid, so that one turn of the runtime serves many exchanges.
use std::time::Duration;

use super::Moment;

/// The distance of two points of the grid. Its price is 4 ms of mean delay; a coarser one would be
/// felt by the client.
pub const GRID: Duration = Duration::from_millis(8);

/// The first point of the grid that is not before `moment`.
pub fn on_grid(moment: Moment) -> Moment {
    let nanos = moment.since_start().as_nanos();
    let step = GRID.as_nanos();
    let rounded = nanos.div_ceil(step).saturating_mul(step);
    Moment::after_start(Duration::from_nanos(
        u64::try_from(rounded).unwrap_or(u64::MAX),
    ))
}

/// When to wake for a moment: with all others at the next point of the grid, unless it is `sharp`. What
/// is so saves its share of the grid's price, and has so few moments that each may have a turn of its own.
pub fn waking(moment: Moment, is_sharp: bool) -> Moment {
    if is_sharp { moment } else { on_grid(moment) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Moment {
        Moment::after_start(Duration::from_micros(micros))
    }

    #[test]
    fn a_point_of_the_grid_stays_and_any_other_moves_up_to_the_next() {
        assert_eq!(on_grid(at(0)), at(0));
        assert_eq!(on_grid(at(8_000)), at(8_000));
        assert_eq!(on_grid(at(8_001)), at(16_000));
        assert_eq!(on_grid(at(15_999)), at(16_000));
    }

    #[test]
    fn a_sharp_moment_stays_where_it_is() {
        assert_eq!(waking(at(8_001), true), at(8_001));
        assert_eq!(waking(at(8_001), false), at(16_000));
    }
}
