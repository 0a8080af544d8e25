//! What must be true after every test, whatever it was about.

/// What a test may do beyond the ordinary, told by itself.
pub(crate) struct Allowed {
    /// Submits that carry one and the same key.
    pub(crate) submits_of_a_key: usize,
    /// Polls of one task after its result was handed out.
    pub(crate) polls_after_the_result: u32,
    /// Polls for a task that the gateway does not know.
    pub(crate) strays: usize,
}

impl Default for Allowed {
    fn default() -> Self {
        Self {
            submits_of_a_key: 1,
            polls_after_the_result: 0,
            strays: 0,
        }
    }
}

pub(crate) mod check {
    use std::collections::HashMap;

    use holdline::simulator::Ledger;

    use super::Allowed;
    use crate::stage::scripted::Heard;

    /// Fields that are a hop's own (RFC 9110 §7.6.1); a submit's connection is closed after it.
    const HOP_BY_HOP: [&str; 8] = [
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
    ];

    /// The simulated gateway's own account.
    pub(crate) fn ledger(ledger: &Ledger, allowed: &Allowed) {
        let submits = ledger.submits.iter().filter(|it| is_submit(&it.path));
        for submit in submits.clone() {
            fields(&submit.fields);
            assert!(submit.key.is_some(), "a submit has a key: {submit:?}");
        }
        keys(submits.filter_map(|it| it.key.clone()), allowed);
        for task in &ledger.tasks {
            assert_eq!(task.overlapping_polls, 0, "I6: {task:?}");
            let late = task.polls_after_result;
            assert!(late <= allowed.polls_after_the_result, "I6: {task:?}");
        }
        assert!(ledger.strays.len() <= allowed.strays, "{:?}", ledger.strays);
    }

    /// What a scripted gateway heard.
    pub(crate) fn heard(heard: &[Heard], allowed: &Allowed) {
        let submits = heard.iter().filter(|it| it.is_submit());
        for submit in submits.clone() {
            fields(&submit.fields);
        }
        let key = |it: &Heard| {
            it.field("requestid")
                .expect("a submit has a key")
                .to_owned()
        };
        keys(submits.map(key), allowed);
        for poll in heard.iter().filter(|it| it.is_poll()) {
            assert_eq!(poll.field("requestid"), None, "a poll has no key: {poll:?}");
        }
    }

    /// I1.
    fn keys(keys: impl Iterator<Item = String>, allowed: &Allowed) {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for key in keys {
            *counts.entry(key).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or_default();
        assert!(most <= allowed.submits_of_a_key, "I1: {counts:?}");
    }

    /// A submit is framed anew: one host, one length, nothing of the hop before.
    fn fields(fields: &[(String, String)]) {
        let count = |name: &str| fields.iter().filter(|(field, _)| field == name).count();
        assert_eq!(count("host"), 1, "{fields:?}");
        assert_eq!(count("content-length"), 1, "{fields:?}");
        assert_eq!(count("transfer-encoding"), 0, "{fields:?}");
        assert_eq!(count("authorization"), 1, "{fields:?}");
        for name in HOP_BY_HOP {
            assert_eq!(count(name), 0, "{fields:?}");
        }
    }

    fn is_submit(path: &str) -> bool {
        path.starts_with("/async/transactions/") && path.ends_with('s')
    }
}
