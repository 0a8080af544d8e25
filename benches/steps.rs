//! What each step of an exchange takes by itself: reading what comes, the machine, a plan, a seal.
//!
//! `cargo bench --bench steps [-- FILTER]`. An exchange of four polls has one acceptance, three
//! answers of a running task, one result, and one way through the machine.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark ends at the first thing that is wrong"
)]
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fastrand::Rng;
use holdline::exchange::machine::{
    Action, Begun, Event, Machine, Policy, Polled, RecordKind, Submitted, Terms, Timer, Whole,
};
use holdline::exchange::{Credentials, FingerprintParts, HashKey};
use holdline::journal::{AnswerKey, Number, Place};
use holdline::polling::{Backoff, Config, Learner, Rules, Schedule, Took};
use holdline::protocol::{
    BEGATEWAY, Conversion, MatchFacts, Operation, PollAnswer, RequestId, Route, SubmitAnswer,
    classify_poll, classify_submit,
};
use holdline::timing::Moment;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use uuid::Uuid;

const TASK: &str = "4107f1a5-0f1c-4b7e-9c3d-310b0da80b01";

/// An acceptance, an answer of a running task and a result, with the members that real ones have.
const ACCEPTANCE: &str = r#"{"status":"processing","request_id":"4107f1a5-0f1c-4b7e-9c3d-310b0da80b01","status_url":"https://gateway.example/async/status/4107f1a5-0f1c-4b7e-9c3d-310b0da80b01","response_url":"https://gateway.example/async/result/4107f1a5-0f1c-4b7e-9c3d-310b0da80b01"}"#;
const RUNNING: &str =
    r#"{"status":"processing","request_id":"4107f1a5-0f1c-4b7e-9c3d-310b0da80b01"}"#;
const RESULT: &str = r#"{"transaction":{"uid":"19a2d5f0-0b1c-4c39-9a5e-7d1f2a3b4c5d","status":"successful","message":"Successfully processed","type":"payment","amount":1999,"currency":"EUR","description":"Order 17","tracking_id":"order-17","created_at":"2026-11-21T12:00:00.123Z","updated_at":"2026-11-21T12:00:02.456Z","test":true,"language":"en","payment_method_type":"credit_card","receipt_url":"https://gateway.example/customer/transactions/19a2d5f0/2f6c","billing_address":{"first_name":"Ada","last_name":"Byron","country":"GB","city":"London","zip":"SW1A 1AA","address":"12 St James's Square"},"credit_card":{"holder":"Ada Byron","stamp":"3709786942408b77017a3aac8390d46d77d181e3","brand":"visa","last_4":"0000","first_1":"4","bin":"420000","exp_month":5,"exp_year":2030,"token":"3709786942408b77017a3aac8390d46d77d181e3"},"payment":{"auth_code":"654321","bank_code":"00","rrn":"999000999000","ref_id":"777888","message":"The operation was successful.","gateway_id":317,"billing_descriptor":"TEST GATEWAY BILLING DESCRIPTOR","status":"successful"},"customer":{"ip":"192.0.2.1","email":"ada@example.com"}}}"#;

const REQUEST: &str = r#"{"request":{"amount":1999,"currency":"EUR","description":"Order 17","tracking_id":"order-17","test":true,"language":"en","billing_address":{"first_name":"Ada","last_name":"Byron","country":"GB","city":"London","zip":"SW1A 1AA","address":"12 St James's Square"},"credit_card":{"number":"4200000000000000","verification_value":"123","holder":"Ada Byron","exp_month":"05","exp_year":"2030"},"customer":{"ip":"192.0.2.1","email":"ada@example.com"}}}"#;

criterion_group!(steps, answers, requests, machine, plans, seals);
criterion_main!(steps);

fn answers(criterion: &mut Criterion) {
    let id: RequestId = TASK.parse().unwrap();
    let poll = |status, body: &str| {
        let body = black_box(body.as_bytes());
        classify_poll(&BEGATEWAY, Operation::Payment, &id, status, body)
    };
    let submit = || {
        let body = black_box(ACCEPTANCE.as_bytes());
        classify_submit(&BEGATEWAY, Operation::Payment, StatusCode::OK, body)
    };
    assert!(matches!(submit(), SubmitAnswer::Accepted(_)));
    assert_eq!(poll(StatusCode::TOO_EARLY, RUNNING), PollAnswer::Pending);
    assert_eq!(poll(StatusCode::OK, RESULT), PollAnswer::Firm);
    let mut group = criterion.benchmark_group("answers");
    group.bench_function("acceptance", |bencher| bencher.iter(submit));
    group.bench_function("poll of a running task", |bencher| {
        bencher.iter(|| poll(StatusCode::TOO_EARLY, RUNNING));
    });
    group.bench_function("poll with the result", |bencher| {
        bencher.iter(|| poll(StatusCode::OK, RESULT));
    });
    group.finish();
}

/// What is read of a request before it is admitted, from its path to its fingerprint.
fn requests(criterion: &mut Criterion) {
    let key = HashKey::from([7; 32]);
    let mut fields = HeaderMap::new();
    let authorization = HeaderValue::from_static("Basic MzYxOmI4NjQ3YjY4ODk4YjA4NGI4");
    fields.insert(AUTHORIZATION, authorization);
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let path = "/transactions/payments";
    let route = |path| match BEGATEWAY.route(&Method::POST, black_box(path)) {
        Route::Converted(conversion) => conversion,
        Route::Parameters(_) | Route::Disguised | Route::Other => {
            unreachable!("a payment converts")
        }
    };
    let conversion: &Conversion = route(path);
    let mut group = criterion.benchmark_group("requests");
    group.throughput(Throughput::Bytes(REQUEST.len() as u64));
    group.bench_function("route", |bencher| bencher.iter(|| route(path)));
    group.bench_function("facts", |bencher| {
        bencher.iter(|| MatchFacts::of(conversion, black_box(REQUEST.as_bytes())));
    });
    group.bench_function("identity", |bencher| {
        bencher.iter(|| {
            let credentials = Credentials::of(black_box(&fields), &[]).unwrap();
            let secret = credentials.authorization().as_bytes();
            let owner = key.owner("begateway", b"361");
            let fingerprint = key.fingerprint(FingerprintParts {
                owner,
                method: b"POST",
                path: path.as_bytes(),
                shape: &credentials.shape(),
                key: None,
                body: black_box(REQUEST.as_bytes()),
            });
            (key.credential("begateway", secret), fingerprint)
        });
    });
    group.finish();
}

/// An answer of which only the name matters.
#[derive(Clone, Debug, PartialEq)]
struct Answer(&'static str);

impl Whole for Answer {
    fn says_the_same(&self, other: &Self) -> bool {
        self == other
    }
}

fn terms() -> Terms {
    let polling = Config::default();
    let policy = Policy {
        submit_start: Duration::from_secs(5),
        submit_timeout: Duration::from_secs(30),
        resubmits: 0,
        unknown_grace: polling.unknown_grace,
        retention: Duration::from_hours(24),
        reclaim: Duration::from_hours(24),
        backoff: Backoff::new(&polling),
        durable: true,
    };
    Terms {
        policy: Arc::new(policy),
        schedule: Schedule::fixed(&polling),
    }
}

/// A payment from its first record to its last, with `polls` polls; returns the actions of all steps.
fn exchange(terms: Terms, id: &RequestId, polls: usize) -> usize {
    let mut now = Moment::START;
    let begun = Begun {
        explicit_key: false,
        has_tracking_id: true,
        read_at: now,
        hold_until: now + Duration::from_secs(30),
    };
    let (mut machine, began) = Machine::start(terms, begun, 7);
    let mut actions = began.len();
    // True if the step asks for a poll.
    let mut happens = |machine: &mut Machine<Answer>, event, now| {
        let asked = machine.on(event, now);
        actions += asked.len();
        asked.contains(&Action::Poll)
    };
    happens(&mut machine, Event::Recorded(RecordKind::Submitted), now);
    happens(&mut machine, Event::HandedOver, now);
    let accepted = Submitted::Accepted(id.clone());
    happens(&mut machine, Event::SubmitAnswered(accepted), now);
    happens(&mut machine, Event::Recorded(RecordKind::Accepted), now);
    for poll in 1..=polls {
        now = machine.timer().map_or(now, |(due, _)| due);
        let polls_now = happens(&mut machine, Event::Timer(Timer::Poll), now);
        assert!(polls_now, "it is time to poll");
        let answer = if poll == polls {
            Polled::Firm(Answer("the result"))
        } else {
            Polled::Pending { retry_after: None }
        };
        happens(&mut machine, Event::PollAnswered(answer), now);
    }
    happens(&mut machine, Event::Recorded(RecordKind::Completed), now);
    happens(&mut machine, Event::Acknowledged, now);
    happens(&mut machine, Event::Recorded(RecordKind::Delivered), now);
    actions
}

fn machine(criterion: &mut Criterion) {
    let id: RequestId = TASK.parse().unwrap();
    let mut group = criterion.benchmark_group("machine");
    for polls in [1, 4, 40] {
        group.bench_function(format!("exchange of {polls} polls"), |bencher| {
            bencher.iter_batched(
                terms,
                |terms| exchange(terms, black_box(&id), polls),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// What `[polling]` has by default, before a client that waits five minutes.
const RULES: Rules = Rules {
    price: Duration::from_millis(50),
    no_worse_than: None,
    min_interval: Duration::from_millis(50),
    max_interval: Duration::from_secs(10),
    horizon: Duration::from_mins(5),
};

/// What is remembered at most.
const OUTCOMES: usize = 1000;

/// A learner, where its tasks are drawn, and the time, of which it has enough for a plan.
#[derive(Clone)]
struct Learning {
    learner: Learner,
    random: Rng,
    now: Moment,
}

impl Learning {
    /// Tells of one task, found within a third of a second; true if that makes a plan.
    fn outcome(&mut self) -> bool {
        let task = Duration::from_secs_f64(self.random.f64().mul_add(2.0, 1.0));
        self.now = self.now + Duration::from_secs(1);
        let took = Took {
            after: task,
            by: Some(task + Duration::from_millis(300)),
            pending: 1,
            mark: self.learner.begin(self.now).1,
        };
        self.learner.observe(took, self.now)
    }

    /// One that knows a law and makes its next plan with the next outcome.
    fn on_the_brink() -> Self {
        let mut learning = Self {
            learner: Learner::new(RULES),
            random: Rng::with_seed(1),
            now: Moment::START,
        };
        for _ in 0..OUTCOMES {
            learning.outcome();
        }
        loop {
            let before = learning.clone();
            if learning.outcome() {
                return before;
            }
        }
    }
}

fn plans(criterion: &mut Criterion) {
    let brink = Learning::on_the_brink();
    let mut group = criterion.benchmark_group("plans");
    group.bench_function("an outcome that makes a plan", |bencher| {
        bencher.iter_batched_ref(|| brink.clone(), Learning::outcome, BatchSize::SmallInput);
    });
    group.bench_function("the plan of who knows nothing", |bencher| {
        bencher.iter(|| Learner::new(black_box(RULES)));
    });
    group.bench_function("the polls of an exchange", |bencher| {
        let mut learner = brink.learner.clone();
        bencher.iter(|| learner.begin(Moment::START));
    });
    group.finish();
}

/// What a journal does with an answer: nobody opens it without the credentials.
fn seals(criterion: &mut Criterion) {
    let key = AnswerKey::new([7; 32]);
    let exchange = Uuid::from_u128(17);
    let place = Place {
        number: Number(1),
        step: 2,
    };
    let sealed = key.seal(exchange, place, RESULT.as_bytes()).unwrap();
    let mut group = criterion.benchmark_group("seals");
    group.throughput(Throughput::Bytes(RESULT.len() as u64));
    group.bench_function("an answer is sealed", |bencher| {
        bencher.iter(|| key.seal(exchange, place, black_box(RESULT.as_bytes())));
    });
    group.bench_function("an answer is opened", |bencher| {
        bencher.iter(|| key.open(exchange, place, black_box(&sealed)));
    });
    group.finish();
}
