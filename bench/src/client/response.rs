//! An answer: what is read of its head, and its body.

use std::time::Duration;

use bytes::Bytes;

use super::Error;

/// Headers of an answer.
const HEADERS_MAX: usize = 64;

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Whether the server closes the connection after it.
    pub closes: bool,
    /// Its body.
    pub body: Bytes,
    pub(super) head: Bytes,
}

/// What a client has to know before it can cut an answer out of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) head_bytes: usize,
    pub(super) body_bytes: usize,
    pub(super) closes: bool,
}

impl Response {
    /// The value of a header, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        // The head was read once to find its length; few callers want more of it, so it is read again for them.
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        parsed.parse(&self.head).ok()?;
        let header = parsed
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    }

    /// How long the server asks its clients to stay away.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?
            .parse()
            .ok()
            .map(Duration::from_secs)
    }

    /// The body as text, shortened for a message.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        text.chars().take(300).collect()
    }
}

/// Reads the head of an answer; nothing where it has not all come.
pub(super) fn parse(buffer: &[u8]) -> Result<Option<Head>, Error> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut headers);
    let head_bytes = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(Error::Malformed(error.to_string())),
    };
    let status = parsed.code.unwrap_or(0);
    let mut body_bytes = match status {
        204 | 304 => Some(0),
        _ => None,
    };
    let mut closes = parsed.version == Some(0);
    for header in parsed.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).unwrap_or("");
            let bytes = text.trim().parse();
            body_bytes =
                Some(bytes.map_err(|_| Error::Malformed(format!("its length is {text:?}")))?);
        } else if header.name.eq_ignore_ascii_case("connection") {
            closes |= header.value.eq_ignore_ascii_case(b"close");
        }
    }
    let Some(body_bytes) = body_bytes else {
        return Err(Error::Malformed(
            "it does not say how long it is (no content-length)".to_owned(),
        ));
    };
    Ok(Some(Head {
        status,
        head_bytes,
        body_bytes,
        closes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_has_not_all_come_is_waited_for() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        for cut in 0..whole.len() - 2 {
            assert!(matches!(parse(&whole[..cut]), Ok(None)), "cut at {cut}");
        }
        let head = parse(whole)
            .expect("it is an answer")
            .expect("it has all come");
        assert_eq!(
            head,
            Head {
                status: 200,
                head_bytes: whole.len() - 2,
                body_bytes: 2,
                closes: false
            }
        );
    }

    #[test]
    fn an_answer_of_unknown_length_is_refused() {
        assert!(matches!(
            parse(b"HTTP/1.1 200 OK\r\n\r\n"),
            Err(Error::Malformed(_))
        ));
        assert!(matches!(
            parse(b"SSH-2.0\r\n\r\n"),
            Err(Error::Malformed(_))
        ));
        assert!(matches!(
            parse(b"HTTP/1.1 204 No Content\r\n\r\n"),
            Ok(Some(Head { body_bytes: 0, .. }))
        ));
    }

    #[test]
    fn a_server_that_says_goodbye_is_heard() {
        let head = parse(b"HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        assert!(
            head.expect("it is an answer")
                .expect("it has all come")
                .closes
        );
    }
}
