//! The body of an answer while it arrives, with placeholders where it holds secrets: a server may send back what it was sent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};

use crate::imports::secrets::placeholders::Placeholders;

pub(super) struct Hidden<B> {
    body: B,
    placeholders: Placeholders,
    /// What may be the beginning of a secret: it waits for what follows.
    kept: Vec<u8>,
    /// What ended the body while something was kept.
    last: Option<Frame<Bytes>>,
}

impl<B> Hidden<B> {
    pub(super) fn new(body: B, placeholders: Placeholders) -> Self {
        Self {
            body,
            placeholders,
            kept: Vec::new(),
            last: None,
        }
    }

    /// Takes more in, and hands out what cannot be a part of a secret.
    fn pass(&mut self, data: &[u8]) -> Bytes {
        self.kept.extend_from_slice(data);
        let mut told = self.placeholders.hide_bytes(std::mem::take(&mut self.kept));
        let begun = self.placeholders.begun(&told);
        self.kept = told.split_off(told.len() - begun);
        told.into()
    }

    fn rest(&mut self) -> Option<Frame<Bytes>> {
        let rest = std::mem::take(&mut self.kept);
        (!rest.is_empty()).then(|| Frame::data(rest.into()))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Hidden<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        loop {
            if let Some(last) = this.last.take() {
                return Poll::Ready(Some(Ok(last)));
            }
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(this.rest().map(Ok)),
            };
            match frame.into_data() {
                Ok(data) => {
                    let told = this.pass(&data);
                    if !told.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(told))));
                    }
                }
                Err(trailers) => {
                    this.last = Some(trailers);
                    if let Some(rest) = this.rest() {
                        return Poll::Ready(Some(Ok(rest)));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;
    use crate::imports::secrets::Secret;

    #[tokio::test]
    async fn a_secret_is_found_however_it_is_cut() {
        let mut placeholders = Placeholders::default();
        placeholders.add(
            "token".to_owned(),
            "PLACE".to_owned(),
            Secret::new("xyzzy-1"),
        );
        let text = "xyz xyzzy-1 xyzzy-xyzzy-1\nxyzzy-";
        for size in 1..text.len() {
            let parts = text
                .as_bytes()
                .chunks(size)
                .map(|part| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(part))));
            let body = StreamBody::new(futures::stream::iter(parts.collect::<Vec<_>>()));
            let hidden = Hidden::new(body, placeholders.clone());
            let told = hidden.collect().await.expect("nothing fails").to_bytes();
            assert_eq!(
                String::from_utf8_lossy(&told),
                "xyz PLACE xyzzy-PLACE\nxyzzy-",
                "in parts of {size}"
            );
        }
    }

    #[test]
    fn what_cannot_be_the_beginning_of_a_secret_does_not_wait() {
        let mut placeholders = Placeholders::default();
        placeholders.add(
            "token".to_owned(),
            "PLACE".to_owned(),
            Secret::new("xyzzy-1"),
        );
        let mut hidden = Hidden::new((), placeholders);
        assert_eq!(hidden.pass(b"event: one\n\n"), "event: one\n\n");
        assert_eq!(hidden.pass(b"x"), "");
        assert_eq!(hidden.pass(b"a"), "xa");
    }
}
