//! Calls to the gateway, against peers that follow a script.
mod bytes;
mod cut;
mod differential;
mod http2;
mod outage;
mod peer;
mod pool;
mod reach;
mod relay;
mod submit;
mod tls;
