//! How one simulated gateway behaves: its shops, its clock, its latency, its faults, and a switch
//! for each thing that the vendor's documentation leaves open.
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::faults::Rule;
use super::latency::Latency;

/// The vendor's public demo shop.
pub const DEMO_SHOP: &str = "361";
/// The secret key of the demo shop, as the vendor publishes it.
pub const DEMO_KEY: &str = "b8647b68898b084b836474ed8d61ffe117c9a01168d867f24953b776ddcb134d";

/// "stored in the system within 24 hours since the creation of the asynchronous task".
const RETENTION: Duration = Duration::from_hours(24);
/// The vendor's filter takes two payments of one amount and card within this span for one.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(30);

/// A shop with its secret key.
#[derive(Clone, PartialEq, Eq)]
pub struct Shop {
    /// The user-id of Basic authentication.
    pub id: String,
    /// The password of Basic authentication.
    pub key: String,
}

/// The text is no shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a shop as ID:KEY")]
pub struct ShopError;

impl fmt::Debug for Shop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Shop({}:…)", self.id)
    }
}

impl FromStr for Shop {
    type Err = ShopError;

    fn from_str(text: &str) -> Result<Self, ShopError> {
        match text.split_once(':') {
            Some((id, key)) if !id.is_empty() && !key.is_empty() => Ok(Self {
                id: id.to_owned(),
                key: key.to_owned(),
            }),
            _ => Err(ShopError),
        }
    }
}

/// A switch has no such position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write one of {0}")]
pub struct NameError(&'static str);

/// An enum whose values have names, for the command line and the fault words.
macro_rules! named {
    ($type:ident, $list:literal, $($name:literal => $value:ident),+ $(,)?) => {
        impl $type {
            /// The value of this name.
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$value),)+
                    _ => None,
                }
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::named(name).ok_or(NameError($list))
            }
        }
    };
}

/// What a repeated `RequestID` does on `/async`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskRepeat {
    /// It is ignored: each submit is a new task, and a new charge.
    Ignored,
    /// The ticket of the first task is given again.
    #[default]
    Same,
    /// While the task runs 409; then the first task's ticket.
    Conflict,
    /// The answer waits until the task is done; then the first task's ticket.
    Blocks,
    /// As `Same`, but ignored for what acts on another transaction: each refund is a new one.
    SameButChildren,
}
named!(TaskRepeat, "ignored, same, conflict, blocks, same-but-children",
    "ignored" => Ignored, "same" => Same, "conflict" => Conflict, "blocks" => Blocks,
    "same-but-children" => SameButChildren);

/// What a repeated `RequestID` does on the synchronous interface while the first request runs.
/// After its end the same answer is given again, unless it is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunningRepeat {
    /// It is ignored: a new transaction.
    Ignored,
    /// 409.
    Conflict,
    /// The repeat waits and gets the same answer.
    #[default]
    Blocks,
}
named!(RunningRepeat, "ignored, conflict, blocks",
    "ignored" => Ignored, "conflict" => Conflict, "blocks" => Blocks);

/// Where an invalid request is told so on `/async`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// In the answer to the submit; there is no task.
    #[default]
    Submit,
    /// In the result of a task.
    Result,
}
named!(Validation, "submit, result", "submit" => Submit, "result" => Result);

/// What a query finds of a transaction whose task still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Running {
    /// Nothing.
    #[default]
    Hidden,
    /// The transaction, with status `incomplete`.
    Incomplete,
}
named!(Running, "hidden, incomplete", "hidden" => Hidden, "incomplete" => Incomplete);

/// The body of a refusal: 401, 403, 429 and the like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefusalBody {
    /// The standard error of the version in use.
    #[default]
    Standard,
    /// `{"message": …}`
    Message,
    /// A page.
    Html,
    /// Nothing.
    Empty,
}
named!(RefusalBody, "standard, message, html, empty",
    "standard" => Standard, "message" => Message, "html" => Html, "empty" => Empty);

/// What the poll URLs of a ticket look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PollUrls {
    /// Absolute, at the gateway's own origin.
    #[default]
    Absolute,
    /// Paths only.
    Relative,
    /// Absolute, at another host.
    Foreign,
    /// `status_url` alone.
    StatusOnly,
    /// `response_url` alone.
    ResponseOnly,
    /// Neither.
    None,
}
named!(PollUrls, "absolute, relative, foreign, status-only, response-only, none",
    "absolute" => Absolute, "relative" => Relative, "foreign" => Foreign,
    "status-only" => StatusOnly, "response-only" => ResponseOnly, "none" => None);

/// How one simulated gateway behaves. The default is what is documented, or seen in traffic.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may call.
    pub shops: Vec<Shop>,
    /// Of every random draw.
    pub seed: u64,
    /// How long the work takes.
    pub latency: Latency,
    /// How long every answer is on its way, polls included.
    pub round_trip: Duration,
    /// Faults by chance.
    pub faults: Vec<Rule>,
    /// The time of day at the start; `None` takes the real one.
    pub epoch: Option<SystemTime>,
    /// The origin that poll URLs show; `None` takes it from the request's `Host`.
    pub public_url: Option<String>,
    /// How long a 200 result stays readable after the task's creation.
    pub retention: Duration,
    /// How long a `RequestID` is known.
    pub key_retention: Duration,
    /// Two payments of one amount and card within this span are a duplicate; zero: never.
    pub duplicate_window: Duration,
    /// The code of an acceptance.
    pub accepted_code: u16,
    /// A v3 acceptance carries `"code": 8010`.
    pub accepted_v3_code: bool,
    /// The code of `GET status_url` while the task runs.
    pub running_status_code: u16,
    /// The code of `GET response_url` while the task runs.
    pub running_result_code: u16,
    /// Polls need the credentials of the shop that submitted.
    pub poll_authorization: bool,
    /// A once-only error is given, and spent, by `status_url` too.
    pub status_spends: bool,
    /// What a repeated `RequestID` does on `/async`.
    pub task_repeat: TaskRepeat,
    /// What a repeated `RequestID` does on the synchronous interface.
    pub running_repeat: RunningRepeat,
    /// Where an invalid request is told so on `/async`.
    pub validation: Validation,
    /// What a query finds of a transaction whose task still runs.
    pub running: Running,
    /// The body of a refusal.
    pub refusal_body: RefusalBody,
    /// What the poll URLs of a ticket look like.
    pub poll_urls: PollUrls,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shops: vec![Shop {
                id: DEMO_SHOP.to_owned(),
                key: DEMO_KEY.to_owned(),
            }],
            seed: 0,
            latency: Latency::default(),
            round_trip: Duration::ZERO,
            faults: Vec::new(),
            epoch: None,
            public_url: None,
            retention: RETENTION,
            key_retention: RETENTION,
            duplicate_window: DUPLICATE_WINDOW,
            accepted_code: 200,
            accepted_v3_code: false,
            running_status_code: 200,
            running_result_code: 425,
            poll_authorization: true,
            status_spends: true,
            task_repeat: TaskRepeat::default(),
            running_repeat: RunningRepeat::default(),
            validation: Validation::default(),
            running: Running::default(),
            refusal_body: RefusalBody::default(),
            poll_urls: PollUrls::default(),
        }
    }
}
