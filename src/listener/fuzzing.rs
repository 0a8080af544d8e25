//! What must hold of the bytes of a connection.
use super::scrutiny::Scrutiny;

/// The length of the pieces, and what a client sends. True if a head of it is sound.
pub(crate) fn scrutiny(data: &[u8]) -> bool {
    let Some((size, bytes)) = data.split_first() else {
        return false;
    };
    let whole = sound(bytes, bytes.len().max(1));
    let pieces = sound(bytes, usize::from(*size).max(1));
    assert_eq!(whole, pieces, "how it is cut has a meaning");
    if whole > 0 {
        first_is_plain(bytes);
    }
    whole > 0
}

/// How many heads are sound of bytes that come in pieces.
fn sound(bytes: &[u8], size: usize) -> usize {
    let scrutiny = Scrutiny::default();
    for piece in bytes.chunks(size) {
        scrutiny.read(piece);
    }
    std::iter::from_fn(|| scrutiny.next_head().ok()).count()
}

/// Another parser, which is hyper's, finds the same first head, and one end of its body.
fn first_is_plain(bytes: &[u8]) {
    let mut lines = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut lines);
    // What this one refuses hyper refuses.
    let Ok(httparse::Status::Complete(length)) = request.parse(bytes) else {
        return;
    };
    let head = bytes.get(..length).unwrap_or_default();
    let mut ends = head.split_inclusive(|byte| *byte == b'\n');
    assert!(
        ends.all(|line| line.ends_with(b"\r\n")),
        "a line ends in LF alone"
    );
    let target = request.path.unwrap_or_default();
    assert!(!target.contains('#'), "its target has a fragment");
    let count = |name: &str| {
        let named = request.headers.iter();
        named
            .filter(|it| it.name.eq_ignore_ascii_case(name))
            .count()
    };
    let (lengths, codings) = (count("content-length"), count("transfer-encoding"));
    assert!(
        lengths <= 1 && (lengths == 0 || codings == 0),
        "its body ends in two places"
    );
}
