//! What an answer of the gateway means, by its shape before its code.
use http::StatusCode;

use super::operation::Operation;
use super::outline::{Outline, breaks_off, is_object};
use super::profile::{Profile, ResultRules};
use super::ticket::{RequestId, Ticket};

/// The class of a whole answer to a submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitAnswer {
    /// The gateway took the task and gave a receipt.
    Accepted(Ticket),
    /// The gateway was quick: this is the standard answer already.
    Standard,
    /// The gateway refused the request.
    Refused,
    /// The gateway asks to come again later (429).
    TooMany,
    /// Anything else: the transaction may exist.
    Unclear,
}

/// The class of a whole answer to a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollAnswer {
    /// The task is running.
    Pending,
    /// The gateway does not know the task, or its once-only answer was read.
    Unknown,
    /// The result.
    Firm,
    /// Perhaps the result, perhaps a passing fault of the poll's own page.
    Soft,
    /// A 200 of no known shape.
    Odd,
    /// Perhaps the result, cut or mangled on its way.
    Broken,
    /// Nothing that speaks of the task.
    Transient,
}

/// The class of an answer to a submit. A 4xx is a refusal, unless its body gives a task, says that one runs, or
/// breaks off before it could say so: whoever is told of a refusal pays again.
pub fn classify_submit(
    profile: &Profile,
    operation: Operation,
    status: StatusCode,
    body: &[u8],
) -> SubmitAnswer {
    let is_refusal = status.is_client_error();
    let may_tell = status.is_success() || is_refusal;
    let outline = may_tell.then(|| Outline::of(body)).flatten();
    let rules = &profile.results;
    let word = |it: &Outline<'_>| it.task_status(rules, operation);
    let task = outline.as_ref();
    let task = task.filter(|it| it.gives_task() || word(it) == Some(rules.running));
    if let Some(task) = task {
        // The task that an error only speaks of may be another request's under the same key.
        let is_ours = task.gives_task() || !is_refusal;
        let ticket = is_ours.then(|| task.ticket(profile)).flatten();
        return ticket.map_or(SubmitAnswer::Unclear, SubmitAnswer::Accepted);
    }
    match outline {
        None if breaks_off(body) => SubmitAnswer::Unclear,
        _ if status == StatusCode::TOO_MANY_REQUESTS => SubmitAnswer::TooMany,
        _ if is_refusal => SubmitAnswer::Refused,
        Some(it) if word(&it).is_none() && it.is_result(rules, operation) => SubmitAnswer::Standard,
        Some(_) | None => SubmitAnswer::Unclear,
    }
}

/// The class of a whole answer to a poll of the task `id`.
pub fn classify_poll(
    profile: &Profile,
    operation: Operation,
    id: &RequestId,
    status: StatusCode,
    body: &[u8],
) -> PollAnswer {
    let rules = &profile.results;
    let Some(outline) = Outline::of(body) else {
        return if is_object(body) && may_be_cut_result(profile, status) {
            PollAnswer::Broken
        } else {
            PollAnswer::Transient
        };
    };
    if let Some(word) = outline.task_status(rules, operation) {
        return classify_task_status(rules, &outline, word, id, status);
    }
    // Any 2xx but 200 is given once, as every error is.
    if status.is_success() && outline.has_result(rules, operation) {
        return PollAnswer::Firm;
    }
    if status == StatusCode::OK {
        let firm = outline.has_any(rules.error_members);
        return if firm {
            PollAnswer::Firm
        } else {
            PollAnswer::Odd
        };
    }
    if rules.error_codes.contains(&status) && outline.has_any(rules.error_members) {
        return PollAnswer::Firm;
    }
    if may_be_error(rules, status) {
        PollAnswer::Soft
    } else {
        PollAnswer::Transient
    }
}

/// True if an answer to a poll that did not come whole tells by its status that the task is not unknown. With
/// 404 it may have been "unknown", and with 500 a crash of the page that says nothing of the task.
pub fn may_be_cut_result(profile: &Profile, status: StatusCode) -> bool {
    let says_nothing = [StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR];
    let may_be = status.is_success() || may_be_error(&profile.results, status);
    may_be && !says_nothing.contains(&status)
}

/// True for the codes of an error that may be a task's result.
fn may_be_error(rules: &ResultRules, status: StatusCode) -> bool {
    status == StatusCode::INTERNAL_SERVER_ERROR
        || (status.is_client_error() && !rules.never.contains(&status))
}

/// The class of an answer that tells of the task and carries no result: "processing" is pending
/// whatever the code, "unknown" counts with 404 only, and a word about another task is nothing.
fn classify_task_status(
    rules: &ResultRules,
    outline: &Outline<'_>,
    word: &str,
    id: &RequestId,
    status: StatusCode,
) -> PollAnswer {
    let about_another = outline.request_id.is_some() && !outline.is_about(id);
    if word == rules.running && outline.is_about(id) {
        PollAnswer::Pending
    } else if word == rules.unknown && status == StatusCode::NOT_FOUND && !about_another {
        PollAnswer::Unknown
    } else {
        PollAnswer::Transient
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::BEGATEWAY;

    fn submit(status: u16, body: &str) -> SubmitAnswer {
        let status = StatusCode::from_u16(status).unwrap();
        classify_submit(&BEGATEWAY, Operation::Payment, status, body.as_bytes())
    }

    fn poll(status: u16, body: &str) -> PollAnswer {
        let id: RequestId = "10203".parse().unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        classify_poll(&BEGATEWAY, Operation::Payment, &id, status, body.as_bytes())
    }

    #[test]
    fn a_receipt_that_breaks_off_is_no_refusal() {
        let body = r#"{"status":"processing","request_id":"10203","status_url":"https://g/async/status/10203","response_url":"https://g/async/result/10203"}"#;
        for status in [200, 400, 409, 425, 429] {
            for end in 1..body.len() {
                let cut = submit(status, &body[..end]);
                assert!(matches!(cut, SubmitAnswer::Unclear), "{status} {end}");
            }
        }
        for refusal in ["", "no", "{no", r#"{"message":"no"}"#] {
            assert!(matches!(submit(409, refusal), SubmitAnswer::Refused));
            assert!(matches!(submit(429, refusal), SubmitAnswer::TooMany));
        }
    }

    #[test]
    fn a_receipt_is_known_by_its_urls_whatever_the_2xx_or_4xx() {
        let body = r#"{"status":"processing","request_id":"10203","status_url":"https://g/async/status/10203","response_url":"https://g/async/result/10203"}"#;
        for status in [200, 201, 202, 400, 409, 425, 429] {
            let SubmitAnswer::Accepted(ticket) = submit(status, body) else {
                panic!("{status}")
            };
            assert_eq!(ticket.request_id.as_str(), "10203");
            assert_eq!(
                ticket.announced_url.as_deref(),
                Some("https://g/async/result/10203")
            );
        }
    }

    #[test]
    fn a_receipt_without_an_id_is_read_from_its_url() {
        let SubmitAnswer::Accepted(ticket) =
            submit(200, r#"{"response_url":"https://g/async/result/a-1"}"#)
        else {
            panic!()
        };
        assert_eq!(ticket.request_id.as_str(), "a-1");
    }

    #[test]
    fn a_running_task_is_accepted_by_its_id_alone() {
        for body in [
            r#"{"status":"processing","request_id":"a"}"#,
            r#"{"status":"processing","request_id":"a","code":8010}"#,
            r#"{"status":"processing","request_id":"a","code":"P.1019","errors":{}}"#,
        ] {
            for status in [200, 201, 202] {
                let SubmitAnswer::Accepted(ticket) = submit(status, body) else {
                    panic!("{status} {body}")
                };
                assert_eq!(ticket.request_id.as_str(), "a");
                assert_eq!(ticket.announced_url, None);
            }
            // It may be that of another request under the same key.
            for status in [400, 409, 425, 429, 500] {
                assert_eq!(submit(status, body), SubmitAnswer::Unclear, "{body}");
            }
        }
        let unnamed = r#"{"status":"processing","code":"P.1019"}"#;
        assert_eq!(submit(409, unnamed), SubmitAnswer::Unclear);
    }

    #[test]
    fn a_result_beside_a_tasks_word_is_a_result_and_a_4xx_of_no_running_task_a_refusal() {
        for member in [
            r#""uid":"1-a""#,
            r#""transaction":{}"#,
            r#""transactions":[]"#,
            r#""response":{}"#,
        ] {
            let body = format!(r#"{{"status":"processing","request_id":"10203",{member}}}"#);
            assert_eq!(submit(200, &body), SubmitAnswer::Standard, "{body}");
            assert_eq!(submit(409, &body), SubmitAnswer::Refused, "{body}");
            assert_eq!(poll(200, &body), PollAnswer::Firm, "{body}");
        }
        for word in ["unknown", "completed"] {
            let body = format!(r#"{{"status":"{word}","request_id":"a","code":"E.1000"}}"#);
            assert_eq!(submit(404, &body), SubmitAnswer::Refused, "{body}");
            assert_eq!(submit(429, &body), SubmitAnswer::TooMany, "{body}");
        }
    }

    #[test]
    fn a_receipt_that_cannot_be_trusted_is_unclear() {
        for body in [
            r#"{"request_id":"../x","response_url":"https://g/async/result/x"}"#,
            r#"{"request_id":"a","request_id":"b","response_url":"https://g/async/result/a"}"#,
            r#"{"request_id":7,"response_url":"https://g/async/result/7"}"#,
            r#"{"request_id":"","response_url":"https://g/async/result/"}"#,
            r#"{"request_id":"a\r\nb","response_url":"x"}"#,
            r#"{"request_id":"a","response_url":"x""#,
            r#"["processing","a","x","y"]"#,
            r#"{"status":"processing","request_id":"a b","code":8010}"#,
            r#"{"status":"processing","request_id":7,"code":8010}"#,
            r#"{"status":"processing","code":8010}"#,
            r#"{"status":"processing","errors":{}}"#,
            r#"{"status":"completed","request_id":"a","code":8010}"#,
            r#"{"status":"unknown","request_id":"a","errors":{}}"#,
            "<html>",
            "",
        ] {
            assert_eq!(submit(200, body), SubmitAnswer::Unclear, "{body}");
        }
        let long = format!(
            r#"{{"request_id":"{}","response_url":"x"}}"#,
            "a".repeat(129)
        );
        assert_eq!(submit(200, &long), SubmitAnswer::Unclear);
    }

    #[test]
    fn a_refusal_that_gives_a_task_of_no_usable_name_is_none() {
        let body = r#"{"request_id":7,"response_url":"https://g/async/result/7"}"#;
        for status in [200, 409, 429] {
            assert_eq!(submit(status, body), SubmitAnswer::Unclear, "{status}");
        }
    }

    #[test]
    fn other_answers_to_a_submit_go_by_their_code() {
        assert_eq!(
            submit(200, r#"{"transaction":{"uid":"1"}}"#),
            SubmitAnswer::Standard
        );
        assert_eq!(submit(422, "whatever"), SubmitAnswer::Refused);
        assert_eq!(submit(401, ""), SubmitAnswer::Refused);
        assert_eq!(submit(429, ""), SubmitAnswer::TooMany);
        for status in [101, 302, 500, 502, 503, 999] {
            assert_eq!(
                submit(status, r#"{"transaction":{}}"#),
                SubmitAnswer::Unclear,
                "{status}"
            );
        }
    }

    #[test]
    fn a_running_task_is_pending_under_any_code() {
        for status in [200, 202, 404, 425, 500] {
            let body = r#"{"status":"processing","request_id":"10203"}"#;
            assert_eq!(poll(status, body), PollAnswer::Pending, "{status}");
        }
    }

    #[test]
    fn a_word_about_another_task_or_none_is_never_a_result() {
        for body in [
            r#"{"status":"processing","request_id":"10204"}"#,
            r#"{"status":"processing"}"#,
            r#"{"status":"completed","request_id":"10203","response_url":"x"}"#,
            r#"{"status":"unknown","request_id":"10204"}"#,
        ] {
            assert_eq!(poll(200, body), PollAnswer::Transient, "{body}");
            assert_eq!(poll(404, body), PollAnswer::Transient, "{body}");
        }
    }

    #[test]
    fn results_are_told_from_passing_faults() {
        assert_eq!(
            poll(404, r#"{"status":"unknown","request_id":"10203"}"#),
            PollAnswer::Unknown
        );
        assert_eq!(
            poll(200, r#"{"transaction":{"status":"processing"}}"#),
            PollAnswer::Firm
        );
        assert_eq!(
            poll(200, r#"{"status":"failed","code":"F.0001"}"#),
            PollAnswer::Firm
        );
        assert_eq!(
            poll(200, r#"{"status":"processing","uid":"1-2"}"#),
            PollAnswer::Firm
        );
        assert_eq!(
            poll(404, r#"{"response":{"message":"Record not found"}}"#),
            PollAnswer::Firm
        );
        assert_eq!(poll(422, r#"{"errors":{}}"#), PollAnswer::Firm);
        assert_eq!(poll(500, r#"{"message":"We're sorry"}"#), PollAnswer::Soft);
        assert_eq!(poll(418, r#"{"message":"?"}"#), PollAnswer::Soft);
        for no_result in [401, 403, 407, 408, 421, 425, 429, 503] {
            let said = poll(no_result, r#"{"message":"not now"}"#);
            assert_eq!(said, PollAnswer::Transient, "{no_result}");
        }
        for status in [201, 202, 203] {
            assert_eq!(
                poll(status, r#"{"transaction":{}}"#),
                PollAnswer::Firm,
                "{status}"
            );
            for unsure in [r#"{"hello":1}"#, r#"{"code":"P.1019"}"#] {
                assert_eq!(poll(status, unsure), PollAnswer::Transient);
            }
        }
        assert_eq!(poll(200, r#"{"hello":1}"#), PollAnswer::Odd);
        assert_eq!(poll(200, r#"{"result":{}}"#), PollAnswer::Odd);
        assert_eq!(poll(200, "<html>"), PollAnswer::Transient);
        for cut in [
            r#"{"transaction":{}} trailing"#,
            r#"{"transaction":{"#,
            " {",
        ] {
            assert_eq!(poll(200, cut), PollAnswer::Broken);
            assert_eq!(poll(422, cut), PollAnswer::Broken);
            for no_result in [302, 404, 429, 500, 503] {
                assert_eq!(poll(no_result, cut), PollAnswer::Transient, "{no_result}");
            }
        }
        assert_eq!(poll(302, r#"{"transaction":{}}"#), PollAnswer::Transient);
    }

    #[test]
    fn the_balance_query_has_a_member_of_its_own() {
        let id: RequestId = "1".parse().unwrap();
        let body = br#"{"result":{"balance":1.10}}"#;
        let class = classify_poll(
            &BEGATEWAY,
            Operation::BalanceQuery,
            &id,
            StatusCode::OK,
            body,
        );
        assert_eq!(class, PollAnswer::Firm);
    }

    #[test]
    fn depth_and_size_of_the_json_do_not_matter() {
        let deep = format!(
            r#"{{"transaction":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(poll(200, &deep), PollAnswer::Firm);
        assert_eq!(
            poll(200, r#"{"transaction":{"amount":1e999999}}"#),
            PollAnswer::Firm
        );
    }
}
