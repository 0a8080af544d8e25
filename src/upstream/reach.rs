//! Where a gateway is reached, where that is not what its name says.
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::uri::Authority;

/// A host and, if it is another one than the origin's, a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    host: String,
    port: Option<u16>,
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither an address nor a host name")]
pub struct ReachError;

impl Reach {
    /// The host or address to look up, and the port; `origin` is that of the origin.
    pub fn target(&self, origin: u16) -> (&str, u16) {
        (&self.host, self.port.unwrap_or(origin))
    }
}

impl FromStr for Reach {
    type Err = ReachError;

    fn from_str(text: &str) -> Result<Self, ReachError> {
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self {
                host: text.to_owned(),
                port: None,
            });
        }
        let authority: Authority = text.parse().map_err(|_| ReachError)?;
        let host = authority.host();
        let port = authority.port_u16();
        let rest = text.strip_prefix(host).ok_or(ReachError)?;
        if host.is_empty() || !(rest.is_empty() || port.is_some_and(|port| port > 0)) {
            return Err(ReachError);
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => formatter.write_str(&self.host),
            Some(port) if self.host.contains(':') => write!(formatter, "[{}]:{port}", self.host),
            Some(port) => write!(formatter, "{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_name_is_read_with_a_port_or_without() {
        for (text, target) in [
            ("192.0.2.1", ("192.0.2.1", 443)),
            ("192.0.2.1:8443", ("192.0.2.1", 8443)),
            ("2001:db8::1", ("2001:db8::1", 443)),
            ("[2001:db8::1]:8443", ("2001:db8::1", 8443)),
            ("origin.example", ("origin.example", 443)),
            ("origin.example:8443", ("origin.example", 8443)),
        ] {
            let reach: Reach = text.parse().unwrap();
            assert_eq!(reach.target(443), target);
            assert_eq!(reach.to_string(), text);
        }
        for text in [
            "a b",
            "a/b",
            "user@a",
            "https://a",
            "a:",
            "a:0",
            "a:99999",
            ":443",
        ] {
            assert_eq!(text.parse::<Reach>(), Err(ReachError), "{text}");
        }
    }
}
