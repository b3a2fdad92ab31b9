//! The connection after an upgrade, such as a WebSocket: bytes in both directions until one side ends.

use std::{io, sync::Arc, time::Duration};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tracing::debug;

use super::body::Progress;
use crate::phase::Phase;

/// How long a tunnel may be silent in both directions. WebSocket libraries send a ping more often.
const IDLE: Duration = Duration::from_secs(5 * 60);
/// Bytes of one direction that are held at a time.
const BUFFER: usize = 16 * 1024;

/// Copies between the two sides of an upgrade until both have ended, one fails, both are silent for too long, or the
/// client's connection has to make room.
pub(super) async fn run(client: OnUpgrade, upstream: OnUpgrade, phase: Arc<Phase>) {
    let (client, upstream) = match tokio::try_join!(client, upstream) {
        Ok(upgraded) => upgraded,
        Err(error) => {
            debug!(%error, "upgrade failed");
            return;
        }
    };
    let progress = Progress::new();
    let ((from_client, to_client), (from_upstream, to_upstream)) =
        (split(TokioIo::new(client)), split(TokioIo::new(upstream)));
    let both = async {
        tokio::try_join!(copy(from_client, to_upstream, &progress), copy(from_upstream, to_client, &progress))
    };
    tokio::select! {
        ended = both => {
            if let Err(error) = ended {
                debug!(%error, "tunnel ended with an error");
            }
        }
        () = progress.none_for(IDLE) => debug!("tunnel closed: it was silent for too long"),
        () = phase.evicted() => debug!("tunnel closed to make room for another connection"),
    }
}

/// Copies one direction, and passes on its end.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    progress: &Progress,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
        progress.advance();
    }
}
