//! Time as a value: moments, the clock that reads them, stamps that outlive it, the grid that gathers
//! wake-ups, and what a process that stood still makes of its timers.
mod ages;
mod clock;
mod grid;
mod moment;
mod stamp;
mod still;

pub use ages::{Ages, Boot};
pub use clock::{Clock, wall_clock};
pub use grid::{GRID, on_grid, waking};
pub use moment::Moment;
pub use stamp::{Stamp, Stamps, boot_is_told};
pub use still::stood_still;
