//! Server-sent events: read as they come, and taken up again where the connection breaks.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::Method;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{ANSWER_MAX, Client, PATIENCE, refusal};

/// How often in a row a stream is opened again that brings nothing.
const TRIES: u32 = 5;

/// How long to wait before that, the first time.
const PAUSE: Duration = Duration::from_millis(500);

/// A message of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What it is called.
    pub event: String,
    /// What it says.
    pub data: String,
}

/// A stream of messages, from the first one on.
pub struct EventStream<'a> {
    client: &'a Client,
    path: String,
    body: Option<Incoming>,
    reader: Reader,
    /// The last message that came through.
    last: Option<String>,
    tries: u32,
}

impl Client {
    /// Follows the events under a path.
    #[must_use]
    pub fn events(&self, path: String) -> EventStream<'_> {
        EventStream {
            client: self,
            path,
            body: None,
            reader: Reader::default(),
            last: None,
            tries: 0,
        }
    }
}

impl EventStream<'_> {
    /// The next message. Nothing, where there will be none any more.
    ///
    /// # Errors
    /// Where the server refuses, or cannot be reached for a while.
    pub async fn next(&mut self) -> Result<Option<Message>> {
        loop {
            if let Some((id, message)) = self.reader.take() {
                self.tries = 0;
                self.last = id.or_else(|| self.last.take());
                return Ok(Some(message));
            }
            let Some(body) = &mut self.body else {
                match self.open().await? {
                    Some(body) => self.body = Some(body),
                    None => return Ok(None),
                }
                continue;
            };
            match body.frame().await {
                Some(Ok(frame)) => {
                    let data: Bytes = frame.into_data().unwrap_or_default();
                    self.reader.push(&data)?;
                }
                // The server ended, or the way to it broke: on behind what came through.
                Some(Err(_)) | None => {
                    self.body = None;
                    self.reader = Reader::default();
                }
            }
        }
    }

    /// Opens the stream behind the last message. Nothing, where none can come any more.
    async fn open(&mut self) -> Result<Option<Incoming>> {
        loop {
            self.tries += 1;
            match self.try_open().await {
                // Who has been let in once is let in again, when the server is back.
                Err(_) if self.last.is_some() && self.tries < TRIES => {
                    pause(PAUSE * self.tries).await;
                }
                opened => return opened,
            }
        }
    }

    async fn try_open(&self) -> Result<Option<Incoming>> {
        let base = &self.client.base;
        let last = self.last.as_ref().map(|last| {
            let value = HeaderValue::try_from(last).context("the server sent an id that is none");
            anyhow::Ok((HeaderName::from_static("last-event-id"), value?))
        });
        let last = last.transpose()?;
        let accept = "text/event-stream";
        let request = self
            .client
            .request(Method::GET, &self.path, accept, last, None);
        let answer = tokio::time::timeout(PATIENCE, request)
            .await
            .with_context(|| format!("no answer from {base} within {PATIENCE:?}"))?
            .with_context(|| {
                format!("no answer from {base}: start a server with `millwork serve`, or name another one with --url")
            })?;
        match answer.status().as_u16() {
            200 => Ok(Some(answer.into_body())),
            204 => Ok(None),
            status => {
                let text = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
                let text = text.map_err(anyhow::Error::from_boxed)?.to_bytes();
                let problem: Value = serde_json::from_slice(&text).unwrap_or_default();
                bail!("{}", refusal(status, &problem))
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command that waits for a server has no clock but the machine's"
)]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Takes messages out of bytes as they come.
#[derive(Default)]
struct Reader {
    bytes: Vec<u8>,
    /// How far they have been looked through for the end of a line.
    looked: usize,
    id: Option<String>,
    message: Message,
    has_data: bool,
}

impl Reader {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.bytes.len() + self.message.data.len() + bytes.len() > ANSWER_MAX {
            bail!("the server sent a message of more than {ANSWER_MAX} bytes");
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The next message that is whole, with its id.
    fn take(&mut self) -> Option<(Option<String>, Message)> {
        while let Some(line) = self.take_line() {
            if line.is_empty() {
                let message = std::mem::take(&mut self.message);
                let id = self.id.take();
                if std::mem::take(&mut self.has_data) {
                    return Some((id, message));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => self.id = Some(value.to_owned()),
                "event" => value.clone_into(&mut self.message.event),
                "data" => {
                    if self.has_data {
                        self.message.data.push('\n');
                    }
                    self.message.data += value;
                    self.has_data = true;
                }
                // Comments, which only keep the connection alive, and what later servers may send.
                _ => {}
            }
        }
        None
    }

    fn take_line(&mut self) -> Option<String> {
        let mut new = self.bytes[self.looked..].iter();
        let Some(end) = new.position(|byte| *byte == b'\n') else {
            self.looked = self.bytes.len();
            return None;
        };
        let end = self.looked + end;
        let line = String::from_utf8_lossy(&self.bytes[..end]);
        let line = line.trim_end_matches('\r').to_owned();
        self.bytes.drain(..=end);
        self.looked = 0;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_however_they_come_in_pieces() {
        let text = ": hello\n\nid: 0\nevent: run-created\ndata: {\"a\":\ndata:  1}\n\nid:7\r\nevent:e\r\ndata:x\r\n\r\nevent: end\ndata: ü\n\nid: 9\n";
        let message = |event: &str, data: &str| Message {
            event: event.to_owned(),
            data: data.to_owned(),
        };
        let expected = [
            (Some("0".to_owned()), message("run-created", "{\"a\":\n 1}")),
            (Some("7".to_owned()), message("e", "x")),
            (None, message("end", "ü")),
        ];
        for size in [1, 2, 7, 1_000] {
            let mut reader = Reader::default();
            let mut read = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                reader.push(piece).expect("it is small");
                read.extend(std::iter::from_fn(|| reader.take()));
            }
            assert_eq!(read, expected, "in pieces of {size}");
        }
    }
}
