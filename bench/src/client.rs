//! A small HTTP/1.1 client: one connection, one request at a time, answers of a known length.
//!
//! It is not a client for the world. It is here so that measuring costs little on a machine that the client shares
//! with the server, and so that *no answer came* and *there was nobody to ask* are never mistaken for each other:
//! the first may have started a run, the second cannot have.

mod request;
mod response;

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub use request::{Request, RequestBuilder};
pub use response::Response;

/// Bytes of an answer. A page of two hundred runs takes a few hundred thousand.
const ANSWER_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Room that is made for the next piece of an answer.
const READ_BYTES: usize = 8 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listened: the request was not sent.
    #[error("could not connect to {address}")]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke before the answer was whole: the request may have been carried out.
    #[error("the connection broke before the answer was whole")]
    Lost(#[source] io::Error),
    /// No answer came in time: the request may have been carried out.
    #[error("no answer came within {0:?}")]
    TimedOut(std::time::Duration),
    /// What came is no answer that this client reads.
    #[error("the answer cannot be read: {0}")]
    Malformed(String),
}

impl Error {
    /// Whether the server cannot have seen the request.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Lost(_) | Self::TimedOut(_) | Self::Malformed(_) => false,
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Where nobody listens.
    pub async fn open(address: SocketAddr) -> Result<Self, Error> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            // A request is one write: waiting for more would only add the other side's delayed acknowledgement.
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = connect
            .await
            .map_err(|source| Error::Unreachable { address, source })?;
        Ok(Self {
            stream,
            buffer: BytesMut::with_capacity(READ_BYTES),
        })
    }

    /// Sends a request and reads the answer. After an error the connection is of no use.
    ///
    /// # Errors
    /// Where no whole answer comes.
    pub async fn exchange(&mut self, request: &Request) -> Result<Response, Error> {
        self.stream
            .write_all(request.as_bytes())
            .await
            .map_err(Error::Lost)?;
        loop {
            if let Some(head) = response::parse(&self.buffer)? {
                if head.body_bytes > ANSWER_MAX_BYTES {
                    return Err(Error::Malformed(format!(
                        "it is {} bytes long, the limit is {ANSWER_MAX_BYTES}",
                        head.body_bytes
                    )));
                }
                while self.buffer.len() < head.head_bytes + head.body_bytes {
                    self.fill().await?;
                }
                let bytes = self.buffer.split_to(head.head_bytes).freeze();
                let body = self.buffer.split_to(head.body_bytes).freeze();
                return Ok(Response {
                    status: head.status,
                    closes: head.closes,
                    head: bytes,
                    body,
                });
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        self.buffer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err(Error::Lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Lost(error)),
        }
    }
}
