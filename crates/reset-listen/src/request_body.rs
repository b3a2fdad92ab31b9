//! The body of a request, as the services of this crate receive it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::phase::Phase;

/// The body of a request. While the rest of it has not arrived, its connection counts as waiting for its client.
pub struct RequestBody {
    incoming: Incoming,
    phase: Arc<Phase>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, phase: Arc<Phase>) -> Self {
        Self { incoming, phase }
    }
}

impl Body for RequestBody {
    type Data = <Incoming as Body>::Data;
    type Error = <Incoming as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Pending => {
                self.phase.await_body();
                Poll::Pending
            }
            frame if self.phase.resume() => frame,
            // The connection is about to be closed, and its request must not be processed any more.
            Poll::Ready(_) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
