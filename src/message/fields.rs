//! Fields of a message on their way through a proxy (RFC 9110 §7.6).
use http::header::{self, HeaderMap, HeaderName};

/// The fields that speak of one connection only, whether or not `Connection` names them.
/// `Proxy-Authenticate` and its kin are ours to drop too: there is no proxy login here.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes every hop-by-hop field, those that `Connection` names included (RFC 9110 §7.6.1).
pub fn remove_hop_by_hop(fields: &mut HeaderMap) {
    for name in named_by_connection(fields) {
        fields.remove(name);
    }
    // Most messages have none, and reading their names costs less than nine searches.
    if fields.keys().any(|name| HOP_BY_HOP.contains(name)) {
        for name in &HOP_BY_HOP {
            fields.remove(name);
        }
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
