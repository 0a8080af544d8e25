//! Heads and framings by which a request is smuggled, or made another one than it seems.
use super::world::{statuses, world};

/// What follows each head: were the head read otherwise, this would be a request of its own.
const SMUGGLED: &str = "POST /smuggled HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nContent-Length: 0\r\n\r\n";
const PAY: &str = "POST /transactions/payments HTTP/1.1\r\n";

/// A name, the code of the refusal, and what stands between the request's line and its body.
type Case = (&'static str, u16, &'static str);

/// Refused by its fields.
const FIELDS: &[Case] = &[
    ("no Host", 400, "Content-Length: 2\r\n"),
    ("an empty Host", 400, "Host:\r\nContent-Length: 2\r\n"),
    (
        "two Hosts",
        400,
        "Host: HOST\r\nHost: HOST\r\nContent-Length: 2\r\n",
    ),
    (
        "two different Hosts",
        400,
        "Host: HOST\r\nHost: evil.example\r\nContent-Length: 2\r\n",
    ),
    (
        "a list of Hosts",
        400,
        "Host: HOST, HOST\r\nContent-Length: 2\r\n",
    ),
    (
        "a Host with userinfo",
        400,
        "Host: user@HOST\r\nContent-Length: 2\r\n",
    ),
    (
        "a Host with a path",
        400,
        "Host: HOST/path\r\nContent-Length: 2\r\n",
    ),
    ("no length", 411, "Host: HOST\r\n"),
    (
        "two equal lengths",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nContent-Length: 2\r\n",
    ),
    (
        "two lengths",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nContent-Length: 3\r\n",
    ),
    (
        "two lengths in one",
        400,
        "Host: HOST\r\nContent-Length: 2, 2\r\n",
    ),
    (
        "a signed length",
        400,
        "Host: HOST\r\nContent-Length: +2\r\n",
    ),
    (
        "a negative length",
        400,
        "Host: HOST\r\nContent-Length: -2\r\n",
    ),
    (
        "a hexadecimal length",
        400,
        "Host: HOST\r\nContent-Length: 0x2\r\n",
    ),
    (
        "a length of words",
        400,
        "Host: HOST\r\nContent-Length: 2 2\r\n",
    ),
    (
        "a length without digits",
        400,
        "Host: HOST\r\nContent-Length: \r\n",
    ),
    (
        "a length beyond 64 bits",
        400,
        "Host: HOST\r\nContent-Length: 18446744073709551618\r\n",
    ),
    (
        "a length over the limit",
        413,
        "Host: HOST\r\nContent-Length: 18446744073709551600\r\n",
    ),
    (
        "a length beside chunks",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "chunks beside a length",
        400,
        "Host: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n",
    ),
    (
        "a length beside identity",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nTransfer-Encoding: identity\r\n",
    ),
    (
        "chunks twice",
        501,
        "Host: HOST\r\nTransfer-Encoding: chunked, chunked\r\n",
    ),
    (
        "chunks on two lines",
        501,
        "Host: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "chunks after an unreadable coding",
        501,
        "Host: HOST\r\nTransfer-Encoding: \u{ff}\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "chunks after gzip",
        501,
        "Host: HOST\r\nTransfer-Encoding: gzip, chunked\r\n",
    ),
    (
        "chunks and nothing",
        501,
        "Host: HOST\r\nTransfer-Encoding: , chunked\r\n",
    ),
    (
        "identity after chunks",
        400,
        "Host: HOST\r\nTransfer-Encoding: chunked, identity\r\n",
    ),
    (
        "identity",
        400,
        "Host: HOST\r\nTransfer-Encoding: identity\r\n",
    ),
    (
        "an unknown coding",
        400,
        "Host: HOST\r\nTransfer-Encoding: xchunked\r\n",
    ),
    (
        "a quoted coding",
        400,
        "Host: HOST\r\nTransfer-Encoding: \"chunked\"\r\n",
    ),
    (
        "a coding with a parameter",
        400,
        "Host: HOST\r\nTransfer-Encoding: chunked;q=1\r\n",
    ),
    (
        "a coding behind a control",
        400,
        "Host: HOST\r\nTransfer-Encoding: \u{b}chunked\r\n",
    ),
    (
        "a coding with a blank before its colon",
        400,
        "Host: HOST\r\nTransfer-Encoding : chunked\r\n",
    ),
    (
        "a folded coding",
        400,
        "Host: HOST\r\nTransfer-Encoding:\r\n chunked\r\n",
    ),
    (
        "a folded line",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nX-Folded: a\r\n b\r\n",
    ),
    (
        "a blank before the first name",
        400,
        " Host: HOST\r\nContent-Length: 2\r\n",
    ),
    (
        "a blank before a colon",
        400,
        "Host: HOST\r\nContent-Length : 2\r\n",
    ),
    (
        "a blank in a name",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nBad Name: x\r\n",
    ),
    (
        "a line without a colon",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nNoColon\r\n",
    ),
    (
        "a line without a name",
        400,
        "Host: HOST\r\nContent-Length: 2\r\n: x\r\n",
    ),
    (
        "a NUL in a field",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nX-Raw: a\0b\r\n",
    ),
    (
        "a NUL in a name",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nX\0Raw: ab\r\n",
    ),
    (
        "an escape in a field",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nX-Raw: a\u{1b}[2Jb\r\n",
    ),
    (
        "a CR without LF in a field",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nX-Raw: a\rb\r\n",
    ),
    (
        "a CR without LF before a field",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nX-Raw: a\rX-More: b\r\n",
    ),
    (
        "a line that ends in LF",
        400,
        "Host: HOST\nContent-Length: 2\r\n",
    ),
    ("only LFs", 400, "Host: HOST\nContent-Length: 2\n"),
    (
        "an expectation",
        417,
        "Host: HOST\r\nContent-Length: 2\r\nExpect: 200-ok\r\n",
    ),
    (
        "two expectations",
        417,
        "Host: HOST\r\nContent-Length: 2\r\nExpect: 100-continue, 200-ok\r\n",
    ),
    (
        "Authorization as the connection's own",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nConnection: authorization\r\n",
    ),
    (
        "Content-Length as the connection's own",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nConnection: close, content-length\r\n",
    ),
    (
        "the key as the connection's own",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nConnection: requestid\r\n",
    ),
    (
        "what has passed here before",
        508,
        "Host: HOST\r\nContent-Length: 2\r\nVia: 1.0 a, 1.1 holdline\r\n",
    ),
];

/// Refused by its first line; the fields are well.
const LINES: &[Case] = &[
    (
        "another authority",
        400,
        "POST http://elsewhere.example/transactions/payments HTTP/1.1",
    ),
    (
        "another authority with userinfo",
        400,
        "POST http://user@HOST/transactions/payments HTTP/1.1",
    ),
    ("an authority alone", 400, "POST HOST HTTP/1.1"),
    ("CONNECT", 405, "CONNECT HOST HTTP/1.1"),
    ("TRACE", 405, "TRACE /transactions/payments HTTP/1.1"),
    (
        "a method in lower case",
        405,
        "post /transactions/payments HTTP/1.1",
    ),
    (
        "a method in both cases",
        405,
        "Post /transactions/payments HTTP/1.1",
    ),
    (
        "a method that is no token",
        400,
        "PO(ST /transactions/payments HTTP/1.1",
    ),
    ("no version", 400, "POST /transactions/payments"),
    (
        "a version that is none",
        400,
        "POST /transactions/payments HTTP/1.2",
    ),
    (
        "a version of two digits",
        400,
        "POST /transactions/payments HTTP/1.10",
    ),
    ("two blanks", 400, "POST  /transactions/payments HTTP/1.1"),
    ("a tab", 400, "POST\t/transactions/payments HTTP/1.1"),
    (
        "a blank in the path",
        400,
        "POST /transactions/payments /x HTTP/1.1",
    ),
    (
        "a path without its slash",
        400,
        "POST transactions/payments HTTP/1.1",
    ),
    (
        "an encoded slash",
        400,
        "POST /transactions%2fpayments HTTP/1.1",
    ),
    (
        "an encoded letter",
        400,
        "POST /transactions/%70ayments HTTP/1.1",
    ),
    (
        "an encoded NUL",
        400,
        "POST /transactions/payments%00 HTTP/1.1",
    ),
    (
        "an encoded dot segment",
        400,
        "POST /a/%2e%2e/transactions/payments HTTP/1.1",
    ),
    (
        "a dot segment",
        400,
        "POST /a/../transactions/payments HTTP/1.1",
    ),
    ("two slashes", 400, "POST //transactions/payments HTTP/1.1"),
    ("a back slash", 400, "POST /transactions\\payments HTTP/1.1"),
    (
        "a parameter",
        400,
        "POST /transactions/payments;x=1 HTTP/1.1",
    ),
    (
        "a slash at the end",
        400,
        "POST /transactions/payments/ HTTP/1.1",
    ),
    (
        "a double encoding",
        400,
        "POST /transactions/%2570ayments HTTP/1.1",
    ),
    (
        "a raw control in the path",
        400,
        "POST /transactions/\u{1}payments HTTP/1.1",
    ),
    ("a fragment", 400, "POST /transactions/payments#x HTTP/1.1"),
    (
        "a fragment of an unknown path",
        400,
        "POST /else?a=b#x HTTP/1.1",
    ),
    (
        "a fragment of an absolute target",
        400,
        "GET http://HOST/else# HTTP/1.1",
    ),
    (
        "a CR in the path",
        400,
        "POST /transactions/payments\rX HTTP/1.1",
    ),
];

/// Refused, though there is no doubt where they end: the connection goes on.
const REQUESTS: &[Case] = &[
    ("no credentials", 401, "Host: HOST\r\nContent-Length: 2\r\n"),
    (
        "other credentials",
        401,
        "Host: HOST\r\nContent-Length: 2\r\nAuthorization: Bearer x\r\n",
    ),
    (
        "two credentials",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nAUTH\r\nAUTH\r\n",
    ),
    (
        "a coded body",
        415,
        "Host: HOST\r\nContent-Length: 2\r\nAUTH\r\nContent-Encoding: gzip\r\n",
    ),
    (
        "two keys",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nAUTH\r\nRequestID: a\r\nRequestID: a\r\n",
    ),
    (
        "an empty key",
        400,
        "Host: HOST\r\nContent-Length: 2\r\nAUTH\r\nRequestID:\r\n",
    ),
];

async fn all_refused(cases: &[Case], spell: impl Fn(&str) -> String, closes: bool) {
    let world = world().await;
    for (name, status, case) in cases {
        let request = world.spelled(&(spell(case) + if closes { SMUGGLED } else { "" }));
        let read = world.answers(&request).await;
        assert_eq!(statuses(&read), [*status], "{name}: {read}");
        let empty = read.ends_with("\r\n\r\n");
        let told = read.contains("holdline-outcome: not-submitted");
        assert!(empty || told, "{name}: {read}");
    }
    assert_eq!(world.bench.exchanges(), (0, 0));
    world.still_serves().await;
}

#[tokio::test]
async fn a_head_that_may_be_read_in_two_ways_is_refused_and_ends_its_connection() {
    let spell = |fields: &str| format!("{PAY}AUTH\r\n{fields}\r\n{{}}");
    all_refused(FIELDS, spell, true).await;
}

#[tokio::test]
async fn a_request_that_is_refused_for_what_it_says_reaches_nobody() {
    let spell = |fields: &str| format!("{PAY}{fields}\r\n{{}}");
    all_refused(REQUESTS, spell, false).await;
}

#[tokio::test]
async fn a_first_line_that_may_be_read_in_two_ways_is_refused() {
    let spell =
        |line: &str| format!("{line}\r\nAUTH\r\nHost: HOST\r\nContent-Length: 2\r\n\r\n{{}}");
    all_refused(LINES, spell, false).await;
}
