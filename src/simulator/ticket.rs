//! The acceptance of an asynchronous submit: the ticket, plain or hostile.
use serde_json::{Map, Value, json};

use super::answer::{Answer, FOREIGN_ORIGIN, Version};
use super::faults::{HostileId, SubmitFault, SubmitWords};
use super::settings::{PollUrls, Settings};

/// The vendor's code of an accepted v3 request.
const ACCEPTED_CODE: u32 = 8010;

/// What an acceptance is made of.
pub(super) struct Ticket<'a> {
    pub(super) request_id: &'a str,
    /// The task accepted before this one.
    pub(super) previous: Option<&'a str>,
    /// The origin at which the client reached us.
    pub(super) origin: &'a str,
    pub(super) version: Version,
}

impl Ticket<'_> {
    /// The acceptance, as the settings and the words of the request have it.
    pub(super) fn answer(&self, settings: &Settings, words: &SubmitWords) -> Answer {
        let id = self.shown_id(words.id);
        let mut members = Map::new();
        members.insert("status".to_owned(), json!("processing"));
        members.insert("request_id".to_owned(), id.clone());
        let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let urls = words.urls.unwrap_or(settings.poll_urls);
        for (name, url) in poll_urls(urls, self.origin, &text) {
            members.insert(name.to_owned(), json!(url));
        }
        if settings.accepted_v3_code && self.version == Version::Three {
            members.insert("code".to_owned(), json!(ACCEPTED_CODE));
        }
        if let Some(SubmitFault::Huge(bytes)) = words.fault {
            members.insert("padding".to_owned(), json!("x".repeat(bytes)));
        }
        let mut body = Value::Object(members).to_string();
        if words.id == Some(HostileId::Twice) {
            body.replace_range(..1, "{\"request_id\":\"the-other-one\",");
        }
        Answer::json_text(settings.accepted_code, body)
    }

    fn shown_id(&self, hostile: Option<HostileId>) -> Value {
        match hostile {
            None | Some(HostileId::Twice) => json!(self.request_id),
            Some(HostileId::Crlf) => json!(format!("{}\r\nX-Injected: yes", self.request_id)),
            Some(HostileId::Path) => json!("../../transactions/payments"),
            Some(HostileId::Long) => json!("a".repeat(10 * 1024)),
            Some(HostileId::Empty) => json!(""),
            Some(HostileId::Number) => json!(10203),
            Some(HostileId::Reused) => json!(self.previous.unwrap_or(self.request_id)),
        }
    }
}

/// The URLs of a ticket, by their names.
fn poll_urls(urls: PollUrls, origin: &str, id: &str) -> Vec<(&'static str, String)> {
    let status = |origin: &str| ("status_url", format!("{origin}/async/status/{id}"));
    let result = |origin: &str| ("response_url", format!("{origin}/async/result/{id}"));
    match urls {
        PollUrls::Absolute => vec![status(origin), result(origin)],
        PollUrls::Relative => vec![status(""), result("")],
        PollUrls::Foreign => vec![status(FOREIGN_ORIGIN), result(FOREIGN_ORIGIN)],
        PollUrls::StatusOnly => vec![status(origin)],
        PollUrls::ResponseOnly => vec![result(origin)],
        PollUrls::None => Vec::new(),
    }
}

/// The URL of a task's result, as the status of a completed task shows it.
pub(super) fn result_url(urls: PollUrls, origin: &str, id: &str) -> Option<String> {
    poll_urls(urls, origin, id)
        .into_iter()
        .find_map(|(name, url)| (name == "response_url").then_some(url))
}
