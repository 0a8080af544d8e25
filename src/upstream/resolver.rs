//! Names to addresses, by the system's resolver.
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// So many lookups run at once for a gateway. Each has one of the runtime's blocking threads for as long as
/// the system's resolver likes, whether anybody still waits for it or not, and the journal needs one too.
const AT_ONCE: usize = 16;

/// Looks names up; clones share their turns.
#[derive(Clone)]
pub(super) struct Resolver(Arc<Semaphore>);

impl Default for Resolver {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Resolver {
    /// One that never comes to look a name up.
    #[cfg(test)]
    pub(super) fn stuck() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// The addresses of a host. One that is an address itself is not looked up.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let turn = Arc::clone(&self.0).acquire_owned().await;
        let turn = turn.map_err(io::Error::other)?;
        let host = host.to_owned();
        let found = spawn_blocking(move || {
            let found = (&*host, port).to_socket_addrs().map(Iterator::collect);
            drop(turn);
            found
        });
        found.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn a_name_waits_for_its_turn_and_an_address_for_nothing() {
        let resolver = Resolver(Arc::new(Semaphore::new(1)));
        let turn = Arc::clone(&resolver.0).acquire_owned().await.unwrap();
        for address in ["127.0.0.1", "::1"] {
            let found = resolver.resolve(address, 80).await.unwrap();
            assert_eq!(found, [SocketAddr::new(address.parse().unwrap(), 80)]);
        }
        let mut named = Box::pin(resolver.resolve("localhost", 80));
        assert!(poll!(&mut named).is_pending());
        assert_eq!(resolver.0.available_permits(), 0);
        drop(turn);
        let found = named.await.unwrap();
        assert!(found.iter().all(|it| it.ip().is_loopback()), "{found:?}");
        assert_eq!(resolver.0.available_permits(), 1);
    }
}
