//! Why a question has no answer.

/// Why a question has no answer, in words.
pub(super) type Why = String;
