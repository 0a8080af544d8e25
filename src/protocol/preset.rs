//! The gateways that are known by name, and the fields that they give a meaning to.

/// The brands that speak this protocol, each with the origin that its documentation names.
const PRESETS: [(&str, &str); 5] = [
    ("begateway", "https://demo-gateway.begateway.com"),
    ("paycross", "https://gateway.pay-cross.com"),
    ("bepaid", "https://gateway.bepaid.by"),
    ("ecomcharge", "https://processing.ecomcharge.com"),
    ("unonapay", "https://gateway.unonapay.com"),
];

/// Request fields to which the gateway itself gives a meaning, in lower case: the idempotency key
/// and the version that shapes an answer.
pub const OWN_FIELDS: [&str; 2] = ["requestid", "x-api-version"];

/// The origin of the gateway that is known by `name`.
pub fn preset(name: &str) -> Option<&'static str> {
    PRESETS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, origin)| *origin)
}

/// The names of the gateways that are known.
pub fn presets() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_gateway_has_an_https_origin_and_a_stranger_has_none() {
        for name in presets() {
            assert!(preset(name).unwrap().starts_with("https://"), "{name}");
        }
        assert_eq!(preset("example"), None);
    }
}
