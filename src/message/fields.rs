//! Fields of a message on their way through a proxy (RFC 9110 §7.6).
use http::header::{self, HeaderMap, HeaderName};

/// The same fields, with room for so many `more`: a map that grows is copied whole.
pub fn with_room(fields: &HeaderMap, more: usize) -> HeaderMap {
    let mut copy = HeaderMap::with_capacity(fields.len() + more);
    for (name, value) in fields {
        copy.append(name, value.clone());
    }
    copy
}

/// Removes every hop-by-hop field, those that `Connection` names included (RFC 9110 §7.6.1).
pub fn remove_hop_by_hop(fields: &mut HeaderMap) {
    for name in named_by_connection(fields) {
        fields.remove(name);
    }
    remove_each(fields, is_hop_by_hop);
}

/// True for a field that speaks of one connection only, whether or not `Connection` names it.
/// `Proxy-Authenticate` and its kin are ours to drop too: there is no proxy login here.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Removes every field whose name in lower case `is_one`. Most messages have few of them, and a look at
/// the names that are there costs less than a search for each.
pub fn remove_each(fields: &mut HeaderMap, is_one: fn(&str) -> bool) {
    while let Some(name) = fields.keys().find(|name| is_one(name.as_str())).cloned() {
        fields.remove(name);
    }
}

/// The field names that `Connection` lists; what is no field name is passed over.
pub fn named_by_connection(fields: &HeaderMap) -> Vec<HeaderName> {
    elements(fields, &header::CONNECTION)
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .collect()
}

/// The elements of a list field (RFC 9110 §5.6.1), over all its lines; unreadable lines are
/// passed over. Only for grammars without quoted strings.
pub fn elements<'a>(
    fields: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> + use<'a> {
    fields
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|element| !element.is_empty())
}
