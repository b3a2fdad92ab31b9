//! Counts of clients in Redis, where replicas count together (`limits.redis_url`).
//!
//! They are limits for load: nothing is lost when Redis forgets them, and nobody waits for it. A request gives it
//! 50 ms; after one failure nobody asks again until the keeper, a task of its own, has a connection that can count.
//! Meanwhile each process counts for itself (`reset_http::Counters`).

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use futures_util::future::BoxFuture;
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError, aio::MultiplexedConnection};
use reset_core::{
    budget::{Budget, Window},
    encoding::hex,
    ports::{Clock, Entropy, random},
    time::Timestamp,
};
use reset_http::{Counters, Take, Unavailable};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tracing::{info, warn};

/// Longest time that a request waits for an answer.
const ANSWER: Duration = Duration::from_millis(50);
/// Longest time to connect, and to try a connection out.
const CONNECT: Duration = Duration::from_secs(1);
/// Least time between two connections.
const PAUSE: Duration = Duration::from_secs(1);
/// Time between two looks at a connection that nobody complained of, for `/readyz`.
const LOOK: Duration = Duration::from_secs(5);

/// What every key begins with.
const PREFIX: &str = "polyreset:client:";

/// Takes one from each key, or none; returns 0, or when there will be room. A key is a sorted set of takes, by their
/// time in milliseconds; it goes when its longest window has passed. One script is one step for everybody.
const TAKE: &str = r"
local now, id, at, free, longest = tonumber(ARGV[1]), ARGV[2], 3, 0, {}
for place, key in ipairs(KEYS) do
  local windows = tonumber(ARGV[at])
  at, longest[place] = at + 1, 0
  for _ = 1, windows do
    local count, span = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    at, longest[place] = at + 2, math.max(longest[place], span)
    local last = redis.call('ZREVRANGE', key, count - 1, count - 1, 'WITHSCORES')
    if last[2] then free = math.max(free, tonumber(last[2]) + span) end
  end
end
if free > now then return free end
for place, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - longest[place])
  redis.call('ZADD', key, now, id)
  redis.call('PEXPIRE', key, longest[place] + 1000)
end
return 0
";

/// Counts in Redis.
pub(crate) struct RedisCounters {
    link: Arc<Link>,
    keeper: JoinHandle<()>,
    /// Tells this process's takes from others'.
    process: String,
    takes: AtomicU64,
}

/// The connection, when there is one that works.
struct Link {
    client: Client,
    /// With its number: who complains of one that was replaced complains of nothing.
    connection: Mutex<(u64, Option<MultiplexedConnection>)>,
    lost: Notify,
}

/// What went wrong, without a server's prose.
type Reason = String;

impl RedisCounters {
    /// Connects to the Redis at `url`, and goes on without one until it is there.
    pub(crate) async fn start(url: &str, clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> Result<Self> {
        let link = Arc::new(Link::new(url)?);
        let away = match link.connect(clock.now()).await {
            Ok(()) => false,
            Err(reason) => {
                warn!(reason, "Redis does not answer: each process counts clients for itself");
                true
            }
        };
        let keeper = tokio::spawn(link.clone().keep(clock, away));
        let process = hex(&random::<8>(entropy));
        Ok(Self { link, keeper, process, takes: AtomicU64::new(0) })
    }
}

/// Tries whether clients could be counted in the Redis at `url`.
pub(crate) async fn check(url: &str, clock: &dyn Clock) -> Result<()> {
    Link::new(url)?.connect(clock.now()).await.map_err(anyhow::Error::msg).context("limits.redis_url")
}

impl Drop for RedisCounters {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Counters for RedisCounters {
    fn take<'a>(&'a self, budgets: &'a [Budget], now: Timestamp) -> BoxFuture<'a, Result<Take, Unavailable>> {
        Box::pin(async move {
            let (number, connection) = self.link.connection();
            let Some(mut connection) = connection else { return Err(Unavailable) };
            let id = format!("{}-{}", self.process, self.takes.fetch_add(1, Ordering::Relaxed));
            match asked(&take(budgets, now, &id), &mut connection, ANSWER).await {
                Ok(0) => Ok(Take::Taken { id }),
                Ok(until) => Ok(Take::Full { until: Timestamp::from_millis(until) }),
                Err(reason) => {
                    self.link.lose(number, &reason);
                    Err(Unavailable)
                }
            }
        })
    }

    fn give_back(&self, names: Vec<String>, id: String) {
        let (_, connection) = self.link.connection();
        let Some(mut connection) = connection else { return };
        tokio::spawn(async move {
            for name in names {
                let mut remove = redis::cmd("ZREM");
                remove.arg(format!("{PREFIX}{name}")).arg(&id);
                // What cannot be given back now goes with its window.
                let _ = asked(&remove, &mut connection, CONNECT).await;
            }
        });
    }

    fn work(&self) -> bool {
        self.link.connection().1.is_some()
    }
}

impl Link {
    fn new(url: &str) -> Result<Self> {
        let client = Client::open(url).map_err(|error| anyhow::Error::msg(reason(&error)));
        let client = client.context("limits.redis_url")?;
        Ok(Self { client, connection: Mutex::new((0, None)), lost: Notify::new() })
    }

    fn connection(&self) -> (u64, Option<MultiplexedConnection>) {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connects, and keeps the connection if clients can be counted over it.
    async fn connect(&self, now: Timestamp) -> Result<(), Reason> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connected = timeout(CONNECT, connecting).await.map_err(|_| silent(CONNECT))?;
        let mut connection = connected.map_err(|error| reason(&error))?;
        probe(&mut connection, now).await?;
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = (slot.0 + 1, Some(connection));
        Ok(())
    }

    /// Does without connection `number` from now on. The first to complain says so.
    fn lose(&self, number: u64, reason: &str) {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.0 == number && slot.1.take().is_some() {
            warn!(reason, "Redis does not answer: each process counts clients for itself");
            self.lost.notify_one();
        }
    }

    /// Keeps a connection, for ever.
    async fn keep(self: Arc<Self>, clock: Arc<dyn Clock>, mut away: bool) {
        let mut next = Instant::now() + PAUSE;
        loop {
            if !away {
                self.watch(&*clock).await;
            }
            sleep_until(next).await;
            next = Instant::now() + PAUSE;
            away = self.connect(clock.now()).await.is_err();
            if !away {
                info!("Redis answers again: all replicas count clients together");
            }
        }
    }

    /// Returns when the connection is lost.
    async fn watch(&self, clock: &dyn Clock) {
        loop {
            if timeout(LOOK, self.lost.notified()).await.is_ok() {
                return;
            }
            let (number, connection) = self.connection();
            if let Some(mut connection) = connection
                && let Err(reason) = probe(&mut connection, clock.now()).await
            {
                self.lose(number, &reason);
            }
        }
    }
}

/// Counts something that nobody looks at: a server that can be read alone, or has no memory left, is of no use.
async fn probe(connection: &mut MultiplexedConnection, now: Timestamp) -> Result<(), Reason> {
    let windows = [Window::new(1, Duration::from_millis(1))];
    asked(&take(&[Budget::shared("probe", &windows)], now, "probe"), connection, CONNECT).await.map(drop)
}

fn take(budgets: &[Budget], now: Timestamp, id: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(TAKE).arg(budgets.len());
    for budget in budgets {
        command.arg(format!("{PREFIX}{}", budget.name));
    }
    command.arg(now.as_millis()).arg(id);
    for Budget { windows, .. } in budgets {
        command.arg(windows.len());
        for window in windows {
            command.arg(window.count).arg(u64::try_from(window.span.as_millis()).unwrap_or(u64::MAX));
        }
    }
    command
}

async fn asked(
    command: &Cmd,
    connection: &mut MultiplexedConnection,
    patience: Duration,
) -> Result<i64, Reason> {
    match timeout(patience, command.query_async(connection)).await {
        Ok(answer) => answer.map_err(|error| reason(&error)),
        Err(_) => Err(silent(patience)),
    }
}

fn silent(patience: Duration) -> Reason {
    format!("no answer within {patience:?}")
}

/// The kind alone: the text may quote what was sent.
fn reason(error: &RedisError) -> Reason {
    match error.code() {
        Some(code) => format!("{}, {code}", error.category()),
        None => error.category().to_owned(),
    }
}
