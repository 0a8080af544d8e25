//! What one connection owes and is owed.
mod state;
#[cfg(test)]
mod tests;

pub(super) use state::{Overdue, Verdict, Watch};
