//! What an exchange has in common with others, and by which they are told of each other.
use super::identity::{Digest, Fingerprint, HashKey};
use super::order::Order;

/// What an exchange may have in common with others of its shop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kin {
    /// The key, where the client gave one: no other can stand on two exchanges.
    pub(super) key: Option<Digest>,
    /// Type, tracking id and amount: what may be the same purchase, or be taken for it.
    pub(super) purchase: Option<Digest>,
    /// What was asked for, where equal requests are wanted side by side (`duplicate_check: false`).
    pub(super) beside: Option<Fingerprint>,
}

impl Kin {
    /// What the exchange of an order will have in common with others.
    pub(super) fn of(hash_key: &HashKey, order: &Order) -> Self {
        let owner = order.identity.owner;
        let facts = &order.facts;
        let explicit = order.key.explicit;
        let key = || hash_key.common("key", owner, [order.key.value.as_bytes()]);
        let purchase = |tracking_id: &str| {
            let amount = facts.amount.as_deref().unwrap_or_default();
            let kind = facts.transaction_type;
            let parts = [kind, tracking_id, amount].map(str::as_bytes);
            hash_key.common("purchase", owner, parts)
        };
        let stands_beside = !explicit && facts.duplicates_wanted;
        Self {
            key: explicit.then(key),
            purchase: facts.tracking_id.as_deref().map(purchase),
            beside: stands_beside.then_some(order.identity.fingerprint),
        }
    }
}
