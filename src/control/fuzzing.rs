//! What must hold of the lines of the control socket.
use super::{Ask, Reply};

/// A line of either side. True if it is a question or an answer.
pub(crate) fn control(data: &[u8]) -> bool {
    let ask: Option<Ask> = serde_json::from_slice(data).ok();
    if let Some(ask) = &ask {
        let written = serde_json::to_vec(ask).unwrap_or_default();
        assert!(!written.contains(&b'\n'), "it would be two lines");
        assert_eq!(serde_json::from_slice(&written).ok().as_ref(), Some(ask));
    }
    let reply: Option<Reply> = serde_json::from_slice(data).ok();
    if let Some(reply) = &reply {
        let written = serde_json::to_vec(reply).unwrap_or_default();
        assert!(!written.contains(&b'\n'), "it would be two lines");
        assert_eq!(serde_json::from_slice(&written).ok().as_ref(), Some(reply));
    }
    ask.is_some() || reply.is_some()
}
