//! Time as a value: moments, the clock that reads them, stamps that outlive it, and the grid that
//! gathers wake-ups.
mod ages;
mod clock;
mod grid;
mod moment;
mod stamp;

pub use ages::{Ages, Boot};
pub use clock::{Clock, wall_clock};
pub use grid::{GRID, on_grid, waking};
pub use moment::Moment;
pub use stamp::{Stamp, Stamps, boot_is_told};
