//! The HTTP client: pooled connections, made only to addresses that the plugin may reach.
//!
//! A pool belongs to a set of granted networks: a connection that one plugin was allowed to open to a private address
//! must not carry the request of another that was not.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tower_service::Service;

use super::names::Names;
use crate::grant::{AddressClass, Networks};
use crate::limits::{self, Limits};

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Client = hyper_util::client::legacy::Client<Connector, Body>;
type Https = HttpsConnector<HttpConnector<Resolver>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Lookups hold a thread each, and plugins choose the names: they must not use up the threads of the whole host.
const LOOKUPS_IN_FLIGHT_MAX: usize = 32;
const IDLE_PER_HOST_MAX: usize = 32;
const IDLE_MAX: Duration = Duration::from_secs(60);

/// One client for each set of granted networks.
pub(crate) struct Clients {
    connect_max: Duration,
    lookups: Arc<Semaphore>,
    names: Arc<dyn Names>,
    by_networks: Mutex<HashMap<Arc<Networks>, Client>>,
}

impl Clients {
    pub(crate) fn new(limits: &Limits, names: Arc<dyn Names>) -> Self {
        Self {
            connect_max: Duration::from_millis(limits.http_connect_max_ms),
            lookups: Arc::new(Semaphore::new(LOOKUPS_IN_FLIGHT_MAX)),
            names,
            by_networks: Mutex::default(),
        }
    }

    pub(crate) fn for_networks(&self, networks: &Arc<Networks>) -> Client {
        let mut clients = self
            .by_networks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        clients
            .entry(Arc::clone(networks))
            .or_insert_with(|| self.build(Arc::clone(networks)))
            .clone()
    }

    fn build(&self, networks: Arc<Networks>) -> Client {
        let mut http = HttpConnector::new_with_resolver(Resolver {
            networks,
            lookups: Arc::clone(&self.lookups),
            names: Arc::clone(&self.names),
        });
        http.enforce_http(false);
        http.set_nodelay(true);
        let https = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(http);
        hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build(Connector {
                https,
                max: self.connect_max,
            })
    }
}

/// Connects within a bounded time, the handshake included.
#[derive(Clone)]
pub(crate) struct Connector {
    https: Https,
    max: Duration,
}

/// There was no connection in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {} ms", limits::named("http_connect_max_ms", .0.as_millis()))]
pub(crate) struct ConnectTimeout(Duration);

impl Service<Uri> for Connector {
    type Response = <Https as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, max) = (self.https.call(uri), self.max);
        Box::pin(async move {
            tokio::time::timeout(max, connecting)
                .await
                .unwrap_or_else(|_| {
                    limits::note("http_connect_max_ms");
                    Err(ConnectTimeout(max).into())
                })
        })
    }
}

/// Looks names up and keeps the addresses that may be connected to. The connection goes to the very address that was
/// judged, so a name that changes its mind in between gains nothing.
#[derive(Clone)]
pub(crate) struct Resolver {
    networks: Arc<Networks>,
    lookups: Arc<Semaphore>,
    names: Arc<dyn Names>,
}

/// Why a name gives no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("{name:?} does not resolve")]
    Lookup {
        name: String,
        source: std::io::Error,
    },
    #[error("{name:?} has no address")]
    Empty { name: String },
    #[error("{name:?} is at {address}, {class}")]
    Refused {
        name: String,
        address: IpAddr,
        class: AddressClass,
    },
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self {
            networks,
            lookups,
            names,
        } = self.clone();
        Box::pin(async move {
            let name = name.as_str().to_owned();
            // Closed never: nobody closes it.
            let _permit = lookups.acquire().await.ok();
            match names.find(&name).await {
                Ok(found) => keep_allowed(name, found, &networks),
                Err(source) => Err(ResolveError::Lookup { name, source }),
            }
        })
    }
}

fn keep_allowed(
    name: String,
    found: Vec<IpAddr>,
    networks: &Networks,
) -> Result<std::vec::IntoIter<SocketAddr>, ResolveError> {
    let mut allowed = Vec::new();
    let mut refused = None;
    for address in found {
        match networks.allows(address) {
            // The port is the URL's.
            Ok(()) => allowed.push(SocketAddr::new(address, 0)),
            Err(class) => refused = Some((address, class)),
        }
    }
    match (allowed.is_empty(), refused) {
        (false, _) => Ok(allowed.into_iter()),
        (true, Some((address, class))) => Err(ResolveError::Refused {
            name,
            address,
            class,
        }),
        (true, None) => Err(ResolveError::Empty { name }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::imports::http::names::SystemNames;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("it is an address")
    }

    fn resolve(found: &[&str]) -> Result<Vec<IpAddr>, ResolveError> {
        let found = found.iter().map(|text| ip(text)).collect();
        let kept = keep_allowed("a.example".to_owned(), found, &Networks::default())?;
        Ok(kept.map(|address| address.ip()).collect())
    }

    #[test]
    fn of_the_addresses_of_a_name_only_the_allowed_ones_are_connected_to() {
        let kept = resolve(&["127.0.0.1", "8.8.8.8", "::1"]).expect("one is public");
        assert_eq!(kept, [ip("8.8.8.8")]);
        assert!(matches!(
            resolve(&["10.0.0.1"]),
            Err(ResolveError::Refused {
                class: AddressClass::Private,
                ..
            })
        ));
        assert!(matches!(resolve(&[]), Err(ResolveError::Empty { .. })));
    }

    /// Public when it is asked for the first time, and this machine from then on.
    #[derive(Default)]
    struct Rebound(AtomicUsize);

    #[async_trait]
    impl Names for Rebound {
        async fn find(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
            Ok(vec![match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => ip("8.8.8.8"),
                _ => ip("127.0.0.1"),
            }])
        }
    }

    #[tokio::test]
    async fn a_connection_goes_to_the_address_that_was_judged_and_the_next_one_is_judged_again() {
        let names = Arc::new(Rebound::default());
        let mut resolver = Resolver {
            networks: Arc::default(),
            lookups: Arc::new(Semaphore::new(1)),
            names: Arc::clone(&names) as _,
        };
        let mut next = || resolver.call("a.example".parse().expect("it is a name"));
        let first: Vec<_> = next().await.expect("it is public").collect();
        assert_eq!(first, [SocketAddr::new(ip("8.8.8.8"), 0)]);
        assert_eq!(names.0.load(Ordering::Relaxed), 1, "asked once");
        let second = next().await.map(Iterator::collect::<Vec<_>>);
        assert!(matches!(
            second,
            Err(ResolveError::Refused {
                class: AddressClass::Loopback,
                ..
            })
        ));
    }

    #[tokio::test]
    async fn plugins_with_the_same_networks_share_a_pool() {
        let clients = Clients::new(&Limits::default(), Arc::new(SystemNames));
        clients.for_networks(&Arc::new(Networks::default()));
        clients.for_networks(&Arc::new(Networks::default()));
        clients.for_networks(&Arc::new(Networks::new(vec![
            crate::grant::Network::Loopback,
        ])));
        assert_eq!(
            clients.by_networks.lock().expect("nobody panicked").len(),
            2
        );
    }
}
