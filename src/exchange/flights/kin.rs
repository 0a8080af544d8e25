//! What an exchange has in common with others, and by which they are told of each other.
use crate::exchange::identity::{Common, Fingerprint, HashKey};
use crate::exchange::order::{Identity, Key};
use crate::protocol::MatchFacts;

/// What an exchange may have in common with others of its shop.
#[derive(Clone, Copy, Debug)]
pub(in crate::exchange) struct Kin {
    /// The key, where the client gave one: no other can stand on two exchanges.
    pub(in crate::exchange) key: Option<Common>,
    /// Type, tracking id and amount: what may be the same purchase, or be taken for it.
    pub(in crate::exchange) purchase: Option<Common>,
    /// What was asked for, where equal requests are wanted side by side (`duplicate_check: false`).
    pub(in crate::exchange) beside: Option<Fingerprint>,
}

impl Kin {
    /// What the exchange of a request has in common with others.
    pub(in crate::exchange) fn of(
        hash_key: &HashKey,
        identity: Identity,
        key: &Key,
        facts: &MatchFacts,
    ) -> Self {
        let owner = identity.owner;
        let explicit = key.explicit;
        let own = || hash_key.common("key", owner, [key.value.as_bytes()]);
        let purchase = |tracking_id: &str| {
            let amount = facts.amount.as_deref().unwrap_or_default();
            let kind = facts.transaction_type;
            let parts = [kind, tracking_id, amount].map(str::as_bytes);
            hash_key.common("purchase", owner, parts)
        };
        let stands_beside = !explicit && facts.duplicates_wanted;
        Self {
            key: explicit.then(own),
            purchase: facts.tracking_id.as_deref().map(purchase),
            beside: stands_beside.then_some(identity.fingerprint),
        }
    }
}
