//! The operations that have an asynchronous twin, and what is done with each.

/// An operation of the gateway that has an asynchronous twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// `POST /transactions/payments`
    Payment,
    /// `POST /transactions/authorizations`
    Authorization,
    /// `POST /transactions/tokenizations`
    Tokenization,
    /// `POST /transactions/captures`
    Capture,
    /// `POST /transactions/voids`
    Void,
    /// `POST /transactions/refunds`
    Refund,
    /// `POST /transactions/payouts`
    Payout,
    /// `POST /transactions/checkups`
    Checkup,
    /// `POST /transactions/chargebacks`
    Chargeback,
    /// `GET /transactions/{uid}` and `GET /v2/transactions/tracking_id/{id}`
    StatusQuery,
    /// `POST /balance`
    BalanceQuery,
}

impl Operation {
    /// Every operation, in the order of the vendor's list.
    pub const ALL: [Self; 11] = [
        Self::Payment,
        Self::Authorization,
        Self::Tokenization,
        Self::Capture,
        Self::Void,
        Self::Refund,
        Self::Payout,
        Self::Checkup,
        Self::Chargeback,
        Self::StatusQuery,
        Self::BalanceQuery,
    ];

    /// The name by which `[routes]`, logs and metrics call the operation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payments",
            Self::Authorization => "authorizations",
            Self::Tokenization => "tokenizations",
            Self::Capture => "captures",
            Self::Void => "voids",
            Self::Refund => "refunds",
            Self::Payout => "payouts",
            Self::Checkup => "checkups",
            Self::Chargeback => "chargebacks",
            Self::StatusQuery => "status_query",
            Self::BalanceQuery => "balance_query",
        }
    }
}

/// What is done with the requests of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disposition {
    /// Submitted to the asynchronous twin; the connection is held.
    #[default]
    Convert,
    /// Passed through as it is.
    Relay,
    /// Answered with a refusal; nothing reaches the gateway.
    Refuse,
}

/// `[routes]`: the disposition of each operation; all convert unless told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes([Disposition; Operation::ALL.len()]);

impl Routes {
    /// What is done with `operation`.
    pub fn disposition(&self, operation: Operation) -> Disposition {
        self.0.get(operation as usize).copied().unwrap_or_default()
    }

    /// Says what is done with `operation`.
    pub fn set(&mut self, operation: Operation, disposition: Disposition) {
        if let Some(slot) = self.0.get_mut(operation as usize) {
            *slot = disposition;
        }
    }
}
