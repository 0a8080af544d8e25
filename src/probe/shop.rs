//! A test shop at its gateway: the calls of a probe, and how long each is waited for.
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request};

use super::trial::Trial;
use crate::message::{Body, StoredResponse, erasable_value};
use crate::protocol::{
    BEGATEWAY, PollAnswer, Profile, RequestId, SubmitAnswer, Ticket, classify_poll, classify_submit,
};
use crate::timing::{Clock, Moment};
use crate::upstream::Client;

/// The wait between two polls of a probe. It finds out how long tasks take, so it asks often.
const BETWEEN_POLLS: Duration = Duration::from_millis(200);

/// The `Authorization` of a shop.
pub struct Secrets {
    right: HeaderValue,
    wrong: HeaderValue,
}

impl Secrets {
    /// Basic credentials (RFC 7617) of a shop's id and its secret key.
    pub fn basic(shop: &str, secret: &str) -> Option<Self> {
        let basic = |secret: &str| {
            let encoded = STANDARD.encode(format!("{shop}:{secret}"));
            let value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
            Some(erasable_value(&value))
        };
        Some(Self {
            right: basic(secret)?,
            wrong: basic("no-such-key")?,
        })
    }
}

/// Which credentials a question carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearer {
    Shop,
    WrongKey,
    Nobody,
}

/// Where a task's answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Result,
    Status,
}

/// Why something was not found out, in words.
pub(super) type Why = String;

/// A test shop at its gateway.
pub struct Shop {
    /// The calls to the gateway.
    pub client: Client,
    /// Who asks.
    pub secrets: Secrets,
    /// The time.
    pub clock: Clock,
    /// How long an answer to a submit, or the end of a task, is waited for.
    pub patience: Duration,
}

/// A submit that was answered.
pub(super) struct Submitted {
    pub(super) class: SubmitAnswer,
    pub(super) answer: StoredResponse,
    pub(super) at: Moment,
    pub(super) conversion: &'static crate::protocol::Conversion,
}

/// A task of the gateway.
pub(super) struct Task {
    pub(super) ticket: Ticket,
    pub(super) conversion: &'static crate::protocol::Conversion,
    /// When its acceptance came.
    pub(super) since: Moment,
}

/// A task that has ended.
pub(super) struct Ended {
    pub(super) class: PollAnswer,
    pub(super) answer: StoredResponse,
    /// How long after its acceptance.
    pub(super) after: Duration,
    /// How long after its acceptance the gateway last said that it does not know it.
    pub(super) unknown_for: Option<Duration>,
}

impl Submitted {
    /// The task, or why there is none.
    pub(super) fn task(&self) -> Result<Task, Why> {
        match &self.class {
            SubmitAnswer::Accepted(ticket) => Ok(Task {
                ticket: ticket.clone(),
                conversion: self.conversion,
                since: self.at,
            }),
            SubmitAnswer::Standard
            | SubmitAnswer::Refused
            | SubmitAnswer::TooMany
            | SubmitAnswer::Unclear => Err(format!(
                "the submit was answered {}, and the answer gives no task",
                self.answer.status.as_u16()
            )),
        }
    }
}

impl Task {
    pub(super) fn class(&self, answer: &StoredResponse) -> PollAnswer {
        let (operation, id) = (self.conversion.operation, &self.ticket.request_id);
        classify_poll(&BEGATEWAY, operation, id, answer.status, &answer.body)
    }

    fn path(&self, page: Page) -> Option<PathAndQuery> {
        let id: &RequestId = &self.ticket.request_id;
        match page {
            Page::Result => BEGATEWAY.result_of(id),
            Page::Status => format!("{}{id}", BEGATEWAY.status_path).try_into().ok(),
        }
    }
}

impl Shop {
    /// Sends a trial to the asynchronous interface under `key`.
    pub(super) async fn submit(&self, trial: &Trial, key: &str) -> Result<Submitted, Why> {
        let request = self.post(trial, key).ok_or("the request cannot be made")?;
        let connection = self
            .client
            .connect(None)
            .await
            .map_err(|it| it.to_string())?;
        let mut submit = connection.submit(request, Arc::new(AtomicBool::new(false)));
        let answered = async {
            submit.handed_over().await?;
            submit.answer().await
        };
        let answered = tokio::time::timeout(self.patience, answered).await;
        let answer = answered
            .map_err(|_| format!("the submit was not answered within {:?}", self.patience))?
            .map_err(|error| error.to_string())?;
        let operation = trial.conversion.operation;
        Ok(Submitted {
            class: classify_submit(&BEGATEWAY, operation, answer.status, &answer.body),
            answer,
            at: self.clock.now(),
            conversion: trial.conversion,
        })
    }

    fn post(&self, trial: &Trial, key: &str) -> Option<Request<Body>> {
        let profile: &Profile = &BEGATEWAY;
        let path = profile.async_path(&PathAndQuery::from_static(trial.conversion.path))?;
        let mut request = Request::new(Body::from(bytes::Bytes::from(trial.body.clone())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.into();
        let fields = request.headers_mut();
        fields.insert(AUTHORIZATION, self.secrets.right.clone());
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(ACCEPT, HeaderValue::from_static("application/json"));
        fields.insert(profile.key_field.clone(), key.parse().ok()?);
        Some(request)
    }

    /// Asks once.
    pub(super) async fn get(
        &self,
        path: PathAndQuery,
        bearer: Bearer,
    ) -> Result<StoredResponse, Why> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.into();
        let fields = request.headers_mut();
        fields.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let authorization = match bearer {
            Bearer::Shop => Some(&self.secrets.right),
            Bearer::WrongKey => Some(&self.secrets.wrong),
            Bearer::Nobody => None,
        };
        if let Some(authorization) = authorization {
            fields.insert(AUTHORIZATION, authorization.clone());
        }
        let answer = self.client.fetch(request).await;
        answer.map_err(|error| error.to_string())
    }

    /// Asks for a task once.
    pub(super) async fn poll(
        &self,
        task: &Task,
        page: Page,
        bearer: Bearer,
    ) -> Result<StoredResponse, Why> {
        let path = task.path(page).ok_or("the task's id makes no path")?;
        self.get(path, bearer).await
    }

    /// Asks for a task's result until it is there.
    pub(super) async fn wait(&self, task: &Task) -> Result<Ended, Why> {
        let mut unknown_for = None;
        loop {
            let asked = self.clock.now();
            let answer = self.poll(task, Page::Result, Bearer::Shop).await?;
            let class = task.class(&answer);
            match class {
                PollAnswer::Firm | PollAnswer::Soft | PollAnswer::Odd => {
                    return Ok(Ended {
                        class,
                        answer,
                        after: asked.since(task.since),
                        unknown_for,
                    });
                }
                PollAnswer::Unknown => unknown_for = Some(asked.since(task.since)),
                PollAnswer::Pending | PollAnswer::Broken | PollAnswer::Transient => {}
            }
            self.pause(task).await?;
        }
    }

    /// Asks for a task's status until the task does not run any more; the first such answer.
    pub(super) async fn wait_by_status(&self, task: &Task) -> Result<StoredResponse, Why> {
        loop {
            let answer = self.poll(task, Page::Status, Bearer::Shop).await?;
            if task.class(&answer) != PollAnswer::Pending {
                return Ok(answer);
            }
            self.pause(task).await?;
        }
    }

    async fn pause(&self, task: &Task) -> Result<(), Why> {
        let next = self.clock.now() + BETWEEN_POLLS;
        if next > task.since + self.patience {
            return Err(format!("the task did not end within {:?}", self.patience));
        }
        self.clock.sleep_until(next).await;
        Ok(())
    }
}
