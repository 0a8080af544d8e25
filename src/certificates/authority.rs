//! A local authority, and certificates that it signs: for the first try, and for clients whose
//! trust the operator decides alone.
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};
use zeroize::Zeroizing;

use super::der::{OBJECT_IDENTIFIER, SEQUENCE, SET, UTF8_STRING, element};
use super::{Validity, provider};

/// How long a certificate is valid: some clients take no longer ones than 398 days, and scanners
/// find fault with more than a year.
const LEAF: Duration = Duration::from_hours(365 * 24);
/// How long the authority is: to trust a new one means to touch every client.
const AUTHORITY: Duration = Duration::from_hours(3650 * 24);
/// How far behind a client's clock may be.
const SKEW: Duration = Duration::from_hours(1);
/// What a common name has room for (X.520). Nobody trusts what stands there.
const LONGEST_NAME: usize = 64;
/// How the name of every authority begins.
const NAME: &str = "holdline CA: ";
/// No name in the network (RFC 6761 §6.4).
const NOWHERE: &str = "invalid";

/// Why nothing was made; completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The library's own words.
    #[error("make certificates")]
    Making(#[from] rcgen::Error),
    /// The authority that was there does not sign for these hosts.
    #[error(
        "sign for {hosts}: the authority that is there is \"{authority}\", and signs for the hosts alone \
         that it was made for"
    )]
    OtherHosts {
        /// The hosts.
        hosts: String,
        /// The authority's name, which begins with its hosts.
        authority: String,
    },
    /// The authority that was there was made elsewhere, or its file is broken.
    #[error(
        "use the authority that is there: it is none that was made here, or its file is broken"
    )]
    Foreign,
    /// The key that was there is none.
    #[error("use the authority that is there: its key is broken")]
    Key(#[source] rcgen::Error),
    /// The key that was there is another's.
    #[error("use the authority that is there: the key beside it belongs to another certificate")]
    OtherKey,
    /// The authority that was there is of no use any more.
    #[error(
        "use the authority that is there: it has expired on {0}; move it and its key away for a new one"
    )]
    Expired(String),
    /// A host is neither a name nor an address.
    #[error("make a certificate for \"{0}\", which is neither a host name nor an address")]
    Host(String),
}

/// An authority that signs for its hosts alone, so that its key, once stolen, is of no use for any
/// other.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    name: String,
    pem: String,
}

/// A certificate and its key, as PEM.
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: Zeroizing<String>,
}

impl Authority {
    /// Makes an authority for these hosts, which begins at `now`.
    pub fn new(hosts: &[String], now: SystemTime) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let name = format!("{NAME}{}", hosts.join(" "));
        let name: String = name.chars().take(LONGEST_NAME).collect();
        let params = authority(&name, hosts, now)?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            name,
            pem,
        })
    }

    /// Takes up an authority that was made here. For which hosts shows when it signs.
    pub fn again(pem: String, key: &str) -> Result<Self, AuthorityError> {
        let key = KeyPair::from_pem(key).map_err(AuthorityError::Key)?;
        let name = name_of(&pem).ok_or(AuthorityError::Foreign)?;
        // Of the parameters only the name and the key count for what it signs.
        let params = authority(&name, &[], UNIX_EPOCH + SKEW)?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            name,
            pem,
        })
    }

    /// Its own certificate as PEM, for clients to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its key as PEM.
    pub fn key(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// Signs a certificate for these hosts, which begins at `now`, and sees that a client would
    /// take it.
    pub fn sign(&self, hosts: &[String], now: SystemTime) -> Result<Signed, AuthorityError> {
        check_hosts(hosts)?;
        let mut params = CertificateParams::new(hosts)?;
        let first = hosts.first().map(String::as_str).unwrap_or_default();
        let name: String = first.chars().take(LONGEST_NAME).collect();
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        valid_for(&mut params, now, LEAF);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        self.verify(certificate.der(), hosts, now)?;
        Ok(Signed {
            certificate: certificate.pem(),
            key: Zeroizing::new(key.serialize_pem()),
        })
    }

    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        hosts: &[String],
        now: SystemTime,
    ) -> Result<(), AuthorityError> {
        let own = CertificateDer::from_pem_slice(self.pem.as_bytes())
            .map_err(|_| AuthorityError::Foreign)?;
        // Who verifies trusts an issuer whatever its dates are; not every client does.
        let validity = Validity::of(&own).ok_or(AuthorityError::Foreign)?;
        if validity.left(now).is_none() {
            return Err(AuthorityError::Expired(validity.until.to_string()));
        }
        let mut roots = RootCertStore::empty();
        roots.add(own).map_err(|_| AuthorityError::Foreign)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|_| AuthorityError::Foreign)?;
        let now = UnixTime::since_unix_epoch(since_epoch(now));
        for host in hosts {
            let name = ServerName::try_from(host.as_str())
                .map_err(|_| AuthorityError::Host(host.clone()))?;
            verifier
                .verify_server_cert(certificate, &[], &name, &[], now)
                .map_err(|error| match error {
                    rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
                        AuthorityError::OtherKey
                    }
                    _ => AuthorityError::OtherHosts {
                        hosts: hosts.join(" "),
                        authority: self.name.clone(),
                    },
                })?;
        }
        Ok(())
    }
}

fn check_hosts(hosts: &[String]) -> Result<(), AuthorityError> {
    for host in hosts {
        ServerName::try_from(host.as_str()).map_err(|_| AuthorityError::Host(host.clone()))?;
    }
    Ok(())
}

/// The name of an authority that was made here, as it stands in its certificate: whoever signs must
/// be called the same, in whatever order the hosts are given now.
fn name_of(pem: &str) -> Option<String> {
    let own = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let mut roots = RootCertStore::empty();
    roots.add(own).ok()?;
    let anchor = roots.roots.first()?;
    let (attribute, rest) = element(&anchor.subject, SET)?;
    let (attribute, _) = element(attribute, SEQUENCE)?;
    let (_common_name, value) = element(attribute, OBJECT_IDENTIFIER)?;
    let (name, _) = element(value, UTF8_STRING)?;
    let name = std::str::from_utf8(name).ok()?;
    (rest.is_empty() && name.starts_with(NAME)).then(|| name.to_owned())
}

fn authority(
    name: &str,
    hosts: &[String],
    now: SystemTime,
) -> Result<CertificateParams, AuthorityError> {
    check_hosts(hosts)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, name.to_owned());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(constraints(hosts));
    valid_for(&mut params, now, AUTHORITY);
    Ok(params)
}

/// Nothing but the hosts. A kind of name that is not spoken of would be free (RFC 5280 §4.2.1.10).
fn constraints(hosts: &[String]) -> NameConstraints {
    let mut permitted = Vec::new();
    let mut excluded = Vec::new();
    let addresses: Vec<IpAddr> = hosts.iter().filter_map(|host| host.parse().ok()).collect();
    let names = || hosts.iter().filter(|host| host.parse::<IpAddr>().is_err());
    permitted.extend(names().cloned().map(GeneralSubtree::DnsName));
    if permitted.is_empty() {
        permitted.push(GeneralSubtree::DnsName(NOWHERE.to_owned()));
    }
    for address in &addresses {
        let all = if address.is_ipv4() { 32 } else { 128 };
        let subnet = CidrSubnet::from_addr_prefix(*address, all);
        permitted.push(GeneralSubtree::IpAddress(subnet));
    }
    if addresses.is_empty() {
        let every = [
            CidrSubnet::from_v4_prefix([0; 4], 0),
            CidrSubnet::from_v6_prefix([0; 16], 0),
        ];
        excluded.extend(every.map(GeneralSubtree::IpAddress));
    }
    NameConstraints {
        permitted_subtrees: permitted,
        excluded_subtrees: excluded,
    }
}

fn valid_for(params: &mut CertificateParams, now: SystemTime, span: Duration) {
    // Certificates have whole seconds.
    let begin = since_epoch(now).saturating_sub(SKEW).as_secs();
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(begin);
    params.not_after = params.not_before + span;
}

fn since_epoch(now: SystemTime) -> Duration {
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Phase;
    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn hosts(hosts: &[&str]) -> Vec<String> {
        hosts.iter().map(|&host| host.to_owned()).collect()
    }

    #[test]
    fn an_authority_signs_for_its_hosts_and_for_no_others() {
        for ours in [
            hosts(&["gateway.example"]),
            hosts(&["gateway.example", "127.0.0.1", "::1"]),
            hosts(&["127.0.0.1"]),
        ] {
            let authority = Authority::new(&ours, now()).unwrap();
            let signed = authority.sign(&ours, now()).unwrap();
            let der = CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap();
            let validity = Validity::of(&der).unwrap();
            assert_eq!(validity.phase(now()), Phase::Valid);
            assert_eq!(validity.left(now()), LEAF.checked_sub(SKEW));
            for other in ["bank.example", "10.0.0.1", "fe80::1"] {
                let refused = authority.sign(&hosts(&[other]), now()).err().unwrap();
                assert!(
                    matches!(refused, AuthorityError::OtherHosts { .. }),
                    "{refused}"
                );
            }
        }
    }

    #[test]
    fn an_authority_is_taken_up_again_for_its_hosts_in_any_order() {
        let ours = hosts(&["gateway.example", "127.0.0.1", "other.example"]);
        let first = Authority::new(&ours, now()).unwrap();
        let again = Authority::again(first.pem().to_owned(), &first.key()).unwrap();
        let later = now() + LEAF;
        for hosts in [
            ours.clone(),
            ours.iter().rev().cloned().collect(),
            hosts(&["127.0.0.1"]),
        ] {
            assert!(again.sign(&hosts, later).is_ok(), "{hosts:?}");
        }
        let others = again.sign(&hosts(&["gateway.example", "bank.example"]), later);
        assert_eq!(
            others.err().unwrap().to_string(),
            "sign for gateway.example bank.example: the authority that is there is \"holdline CA: gateway.example \
             127.0.0.1 other.example\", and signs for the hosts alone that it was made for"
        );
        let late = again.sign(&ours, now() + AUTHORITY + LEAF).err().unwrap();
        assert!(matches!(late, AuthorityError::Expired(_)), "{late}");
    }

    #[test]
    fn an_authority_that_does_not_fit_its_key_or_is_none_is_told() {
        let ours = hosts(&["gateway.example"]);
        let [one, two] = [0, 1].map(|_| Authority::new(&ours, now()).unwrap());
        let mixed = Authority::again(one.pem().to_owned(), &two.key()).unwrap();
        let refused = mixed.sign(&ours, now()).err().unwrap();
        assert!(matches!(refused, AuthorityError::OtherKey), "{refused}");
        let broken = Authority::again(one.pem().to_owned(), "no key")
            .err()
            .unwrap();
        assert!(matches!(broken, AuthorityError::Key(_)), "{broken}");
        let other = rcgen::generate_simple_self_signed(ours.clone()).unwrap();
        for pem in [String::new(), one.pem().replace('A', "!"), other.cert.pem()] {
            let refused = Authority::again(pem, &one.key()).err().unwrap();
            assert!(matches!(refused, AuthorityError::Foreign), "{refused}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for host in ["", "a b", "https://gateway.example", "gateway.example:443"] {
            let refused = Authority::new(&hosts(&[host]), now()).err().unwrap();
            assert!(matches!(refused, AuthorityError::Host(_)), "{host}");
        }
    }
}
