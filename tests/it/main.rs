//! The one integration binary.
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod config;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod downstream;
#[cfg(test)]
mod listener;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod simulator;
#[cfg(test)]
mod upstream;
