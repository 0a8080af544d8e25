//! Wake-ups gathered on a grid, so that one turn of the runtime serves many exchanges.
use std::time::Duration;

use super::Moment;

/// The distance of two points of the grid. Its price is 4 ms of mean delay; a coarser one would be
/// felt by the client. The journal commits at most once from one point to the next.
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
}
