//! The one implementation of cryptography.
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// What every TLS connection computes with. It is passed in everywhere, so that no library's choice
/// of a process-wide one counts.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
