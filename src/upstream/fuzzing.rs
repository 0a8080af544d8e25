//! What must hold of an answer's bytes, however they come.
use super::reply::Reply;
use crate::message::StoredResponse;

/// A limit, the length of the pieces, and the bytes of an answer. True if it is a whole one.
pub(crate) fn reply(data: &[u8]) -> bool {
    let Some(([limit, size], bytes)) = data.split_first_chunk() else {
        return false;
    };
    let limit = usize::from(*limit) * 16;
    let whole = read(bytes, bytes.len().max(1), limit);
    let pieces = read(bytes, usize::from(*size).max(1), limit);
    assert_eq!(whole, pieces, "how it is cut has a meaning");
    if let Some(response) = &whole {
        assert!(response.body.len() <= limit);
    }
    whole.is_some()
}

/// What is read of bytes that come in pieces, up to the end of the connection.
fn read(bytes: &[u8], size: usize, limit: usize) -> Option<StoredResponse> {
    let mut reply = Reply::new(limit);
    for piece in bytes.chunks(size) {
        if let Some(whole) = reply.receive(piece).ok()? {
            return Some(whole.response);
        }
    }
    reply.end().ok().map(|it| it.response)
}
