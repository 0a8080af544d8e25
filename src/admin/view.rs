//! What the page is made of.
use std::time::SystemTime;

use super::about::About;
use super::polling::Routes;
use super::samples::Samples;
use super::scrape::Scrape;
use super::tasks::Census;

/// Everything that the page shows, at one moment.
pub(super) struct View<'a> {
    pub(super) about: &'a About,
    pub(super) scrape: Scrape,
    pub(super) samples: &'a Samples,
    pub(super) census: Census,
    pub(super) routes: Routes,
    /// What keeps new payments out.
    pub(super) fault: Option<String>,
    pub(super) time: SystemTime,
}
