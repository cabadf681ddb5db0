//! How spans leave the process: OTLP over HTTP, in batches, from a thread of their own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Uri;
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SpanProcessor as _};

use super::Traces;
use crate::clock::Clock;
use crate::outgoing;

/// What a collector's address has behind it, for spans (OTLP 1.0, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 64 << 10;

/// Spans that wait to be handed over; past that, new ones are lost, and nothing waits for them.
const QUEUE_MAX: usize = 16_384;

/// How long one batch may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the exporter is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The collector, as in `http://127.0.0.1:4318`.
    pub endpoint: String,
    /// What is sent along, such as a token.
    pub headers: HashMap<String, String>,
    /// What this process calls itself.
    pub service_name: String,
    /// Of so many traces that begin here, one is recorded.
    pub one_in: u32,
}

/// Why spans cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none.
    #[error("traces.endpoint: {0:?} is no address such as http://127.0.0.1:4318")]
    Endpoint(String),
    /// TLS cannot be started.
    #[error("could not start TLS for traces.endpoint")]
    Tls(#[source] rustls::Error),
    /// The exporter cannot be made.
    #[error("the exporter for traces.endpoint could not be made")]
    Exporter(#[source] ExporterBuildError),
}

impl Traces {
    /// Collects spans, and hands them to a collector of OpenTelemetry. Has to be called inside the runtime that sends them.
    ///
    /// # Errors
    /// Where the address is none, or TLS cannot be started.
    pub fn start(options: Options, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let base = options.endpoint.trim_end_matches('/');
        if !is_address(base) {
            return Err(Error::Endpoint(options.endpoint));
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new().map_err(Error::Tls)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{base}{PATH}"))
            .with_headers(options.headers)
            .with_timeout(PATIENCE)
            .build()
            .map_err(Error::Exporter)?;
        let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE_MAX);
        let mut processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(config.build())
            .build();
        let resource = Resource::builder()
            .with_service_name(options.service_name)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        processor.set_resource(&resource.build());
        Ok(Self::to(Box::new(processor), options.one_in, clock))
    }
}

fn is_address(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        has_scheme && uri.host().is_some_and(|host| !host.is_empty())
    })
}

/// Sends on the host's runtime: the exporter's own thread has none.
#[derive(Debug)]
struct Client {
    http: outgoing::Client,
    runtime: tokio::runtime::Handle,
}

impl Client {
    fn new() -> Result<Self, rustls::Error> {
        Ok(Self {
            http: outgoing::client()?,
            runtime: tokio::runtime::Handle::current(),
        })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(
        &self,
        request: hyper::Request<Bytes>,
    ) -> Result<hyper::Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let exchange = async move {
            let answer = http.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
            Ok::<_, HttpError>(hyper::Response::from_parts(head, body))
        };
        // Inside the task: a timer begins where there is a runtime.
        let bounded = async move { tokio::time::timeout(PATIENCE, exchange).await };
        self.runtime.spawn(bounded).await??
    }
}
