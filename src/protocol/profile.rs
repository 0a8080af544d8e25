//! The `Profile`: everything that differs from one gateway family to another, as one value.
use http::header::HeaderName;
use http::{Method, StatusCode};

use super::Operation;

/// What a gateway family speaks: which requests convert and how their answers are read.
#[derive(Debug)]
pub struct Profile {
    /// What stands before a path in the asynchronous form.
    pub async_prefix: &'static str,
    /// What stands before a task's id where its result is read.
    pub result_path: &'static str,
    /// What stands before a task's id where its status is read.
    pub status_path: &'static str,
    /// The requests that have an asynchronous twin; the first that matches counts.
    pub conversions: &'static [Conversion],
    /// The field that carries the idempotency key.
    pub key_field: HeaderName,
    /// The request fields that shape the answer: sent on with submits and polls.
    pub shape_fields: [HeaderName; 1],
    /// How results are told from everything else that a poll may bring.
    pub results: ResultRules,
    /// Where a transaction is looked up.
    pub lookup: LookupPaths,
}

/// One kind of request that has an asynchronous twin.
#[derive(Debug)]
pub struct Conversion {
    /// The operation that it is.
    pub operation: Operation,
    /// Its method.
    pub method: Method,
    /// Its path: the whole of it, or what stands before one last segment where it ends in `/`.
    pub path: &'static str,
    /// True for a read: it may be sent twice.
    pub safe: bool,
    /// The `type` of the transaction that it makes; empty for a read.
    pub transaction_type: &'static str,
}

/// A member of an answer's JSON object that makes it the standard answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// `transaction`
    Transaction,
    /// `transactions`
    Transactions,
    /// `uid`
    Uid,
    /// `response`
    Response,
    /// `errors`
    Errors,
    /// `code`
    Code,
    /// `result`
    Result,
}

/// How a result is told from everything else that a poll may bring.
#[derive(Debug)]
pub struct ResultRules {
    /// The values of `status` that speak of the task, not of the transaction.
    pub running: &'static str,
    /// The `status` of a task that the gateway does not know, or whose answer was read.
    pub unknown: &'static str,
    /// Every `status` of a task: a body with one of them and nothing that only a result has is never a
    /// result.
    pub task_statuses: &'static [&'static str],
    /// Members that only a result has.
    pub members: &'static [Member],
    /// Members that only a result of the balance query has.
    pub balance_members: &'static [Member],
    /// Members that make a 2xx or one of `error_codes` a result.
    pub error_members: &'static [Member],
    /// Codes of results that are errors of the transaction or of the request.
    pub error_codes: &'static [StatusCode],
    /// 4xx codes that speak of the poll itself, never of its task.
    pub never: &'static [StatusCode],
    /// Transaction statuses under which the transaction is still being worked on.
    pub unfinished: &'static [&'static str],
}

/// Where a transaction is looked up on the synchronous side.
#[derive(Debug)]
pub struct LookupPaths {
    /// What stands before a percent-encoded `tracking_id`.
    pub by_tracking_id: &'static str,
    /// What stands before a transaction's `uid`.
    pub by_uid: &'static str,
}

const fn unsafe_post(
    operation: Operation,
    path: &'static str,
    transaction_type: &'static str,
) -> Conversion {
    Conversion {
        operation,
        method: Method::POST,
        path,
        safe: false,
        transaction_type,
    }
}

const fn read(operation: Operation, method: Method, path: &'static str) -> Conversion {
    Conversion {
        operation,
        method,
        path,
        safe: true,
        transaction_type: "",
    }
}

/// The beGateway family: bePaid, eComCharge, PayCross, UnonaPay, the Demo PSP and others.
pub static BEGATEWAY: Profile = Profile {
    async_prefix: "/async",
    result_path: "/async/result/",
    status_path: "/async/status/",
    conversions: &[
        unsafe_post(Operation::Payment, "/transactions/payments", "payment"),
        unsafe_post(
            Operation::Authorization,
            "/transactions/authorizations",
            "authorization",
        ),
        unsafe_post(
            Operation::Tokenization,
            "/transactions/tokenizations",
            "tokenization",
        ),
        unsafe_post(Operation::Capture, "/transactions/captures", "capture"),
        unsafe_post(Operation::Void, "/transactions/voids", "void"),
        unsafe_post(Operation::Refund, "/transactions/refunds", "refund"),
        unsafe_post(Operation::Payout, "/transactions/payouts", "payout"),
        unsafe_post(Operation::Checkup, "/transactions/checkups", "checkup"),
        unsafe_post(
            Operation::Chargeback,
            "/transactions/chargebacks",
            "chargeback",
        ),
        read(Operation::StatusQuery, Method::GET, "/transactions/"),
        read(
            Operation::StatusQuery,
            Method::GET,
            "/v2/transactions/tracking_id/",
        ),
        read(Operation::BalanceQuery, Method::POST, "/balance"),
    ],
    key_field: HeaderName::from_static("requestid"),
    shape_fields: [HeaderName::from_static("x-api-version")],
    results: ResultRules {
        running: "processing",
        unknown: "unknown",
        task_statuses: &["processing", "unknown", "completed"],
        members: &[
            Member::Transaction,
            Member::Transactions,
            Member::Uid,
            Member::Response,
        ],
        balance_members: &[Member::Result],
        error_members: &[Member::Response, Member::Errors, Member::Code],
        error_codes: &[
            StatusCode::BAD_REQUEST,
            StatusCode::PAYMENT_REQUIRED,
            StatusCode::NOT_FOUND,
            StatusCode::CONFLICT,
            StatusCode::GONE,
            StatusCode::UNPROCESSABLE_ENTITY,
        ],
        never: &[
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::MISDIRECTED_REQUEST,
            StatusCode::TOO_EARLY,
            StatusCode::TOO_MANY_REQUESTS,
        ],
        unfinished: &["pending", "processing", "created"],
    },
    lookup: LookupPaths {
        by_tracking_id: "/v2/transactions/tracking_id/",
        by_uid: "/transactions/",
    },
};
