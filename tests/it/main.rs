//! The one integration binary.
#[cfg(test)]
mod app;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod config;
#[cfg(test)]
mod control;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod downstream;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod house;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod listener;
#[cfg(test)]
mod parking;
#[cfg(test)]
mod polling;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod secure;
#[cfg(test)]
mod sidecar;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod simulator;
#[cfg(test)]
mod source;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod told;
#[cfg(test)]
mod upstream;
