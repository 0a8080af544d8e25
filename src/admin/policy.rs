//! What a browser may do with a page of ours: nothing but show it and fetch it again.
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};

use super::html::Ours;

/// The Content-Security-Policy (W3C, level 3) of our pages. It names our own style and script by
/// their hashes, so that nothing else runs even where an escape were missing.
pub(super) struct Policy(HeaderValue);

impl Policy {
    pub(super) fn of(style: Ours, script: Ours) -> Self {
        let mut policy = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action \
                          'none'; frame-ancestors 'none'"
            .to_owned();
        for (directive, ours) in [("style-src", style), ("script-src", script)] {
            let hash = STANDARD.encode(digest(&SHA256, ours.0.as_bytes()));
            let _ = write!(policy, "; {directive} 'sha256-{hash}'");
        }
        let nothing = || HeaderValue::from_static("default-src 'none'");
        Self(HeaderValue::try_from(policy).unwrap_or_else(|_| nothing()))
    }

    pub(super) fn put_on(&self, fields: &mut HeaderMap) {
        fields.insert(header::CONTENT_SECURITY_POLICY, self.0.clone());
        fields.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        // For browsers that do not know `frame-ancestors`.
        fields.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
}
