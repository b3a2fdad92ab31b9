//! The end of a listener: its connections finish their requests and close. hyper-util's `GracefulShutdown` does the same for
//! connections that cannot be upgraded.

use tokio::sync::watch;

/// Tells connections that the listener ends, and waits for them.
pub(crate) struct Drain(watch::Sender<bool>);

/// The side of one connection. The drain waits until it is dropped.
pub(crate) struct Watcher(watch::Receiver<bool>);

impl Drain {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn watcher(&self) -> Watcher {
        Watcher(self.0.subscribe())
    }

    /// Begins the drain. Returns when every connection has ended.
    pub(crate) async fn finish(self) {
        self.0.send_replace(true);
        self.0.closed().await;
    }
}

impl Watcher {
    /// Returns when the drain has begun.
    pub(crate) async fn begun(&mut self) {
        // An error means that the drain was dropped, and then nothing waits for this connection.
        let _ = self.0.wait_for(|begun| *begun).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn drain_ends_with_the_last_connection() {
        let drain = Drain::new();
        let (mut one, two) = (drain.watcher(), drain.watcher());
        let second = Duration::from_secs(1);
        assert!(timeout(second, one.begun()).await.is_err(), "not yet");
        let finished = tokio::spawn(drain.finish());
        one.begun().await;
        drop(one);
        tokio::time::sleep(second).await;
        assert!(!finished.is_finished());
        drop(two);
        timeout(second, finished).await.unwrap().unwrap();
        Drain::new().finish().await;
    }
}
