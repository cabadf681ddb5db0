//! The client for requests to addresses that the operator has said: webhooks that are told of ends, collectors of spans. None is refused, and nothing is
//! followed. What plugins send goes another way.

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Sends by HTTP and HTTPS, and trusts the authorities of the web.
pub(crate) type Client = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Makes a client.
///
/// # Errors
/// Where TLS cannot be started.
pub(crate) fn client() -> Result<Client, rustls::Error> {
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(legacy::Client::builder(TokioExecutor::new()).build(connector))
}
