//! Per-client counters in Redis, shared by all replicas (`limits.redis_url`).
//!
//! These counters limit load, so losing them is harmless, and no request waits long for Redis. A request has a timeout of
//! 50 ms. After one failure, no request uses Redis until the keeper, a separate task, has a working connection again.
//! Meanwhile each process counts for itself (`reset_http::Counters`).

use std::{
    error::Error as _,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
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

/// Timeout of a command during a request.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(50);
/// Timeout for connecting, and for probing a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Minimum interval between two connection attempts.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);
/// Interval between probes of an idle connection, for `/readyz`.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// Prefix of every key.
const PREFIX: &str = "polyreset:client:";

/// Takes one permit from each key, or from none; returns 0, or the time at which a permit becomes available. A key is a
/// sorted set of permits by their time in milliseconds; it expires after its longest window. A script is atomic.
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

/// Per-client counters in Redis.
pub(crate) struct RedisCounters {
    link: Arc<Link>,
    keeper: JoinHandle<()>,
    /// Random id that distinguishes the permits of this process.
    process: String,
    takes: AtomicU64,
}

/// The connection, if it works.
struct Link {
    client: Client,
    /// With a sequence number, so that an error of a replaced connection does not discard its successor.
    connection: Mutex<(u64, Option<MultiplexedConnection>)>,
    lost: Notify,
}

/// Cause of an error, without text of the server.
type Reason = String;

impl RedisCounters {
    /// Connects to the Redis at `url`. If that fails, starts without Redis and keeps trying in the background.
    pub(crate) async fn start(url: &str, clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> Result<Self> {
        let link = Arc::new(Link::new(url)?);
        let unavailable = match link.connect(clock.now()).await {
            Ok(()) => false,
            Err(reason) => {
                warn!(reason, "Redis unavailable: each process counts clients for itself");
                true
            }
        };
        let keeper = tokio::spawn(link.clone().keep(clock, unavailable));
        let process = hex(&random::<8>(entropy));
        Ok(Self { link, keeper, process, takes: AtomicU64::new(0) })
    }
}

/// Checks that the Redis at `url` accepts the counters.
pub(crate) async fn check(url: &str, clock: &dyn Clock) -> Result<()> {
    Link::new(url)?.connect(clock.now()).await.map_err(|reason| {
        anyhow!(
            "limits.redis_url: {reason}: start Redis, or correct the URL; meanwhile each process counts clients for itself"
        )
    })
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
            match execute(&take(budgets, now, &id), &mut connection, COMMAND_TIMEOUT).await {
                Ok(0) => Ok(Take::Taken { id }),
                Ok(until) => Ok(Take::Full { until: Timestamp::from_millis(until) }),
                Err(reason) => {
                    self.link.discard(number, &reason);
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
                // If this fails, the permit expires with its window.
                let _ = execute(&remove, &mut connection, CONNECT_TIMEOUT).await;
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

    /// Connects, and keeps the connection if it accepts the counters.
    async fn connect(&self, now: Timestamp) -> Result<(), Reason> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connected = timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| timed_out(CONNECT_TIMEOUT))?;
        let mut connection = connected.map_err(|error| reason(&error))?;
        probe(&mut connection, now).await?;
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = (slot.0 + 1, Some(connection));
        Ok(())
    }

    /// Discards connection `number`. Only the first error of a connection is logged.
    fn discard(&self, number: u64, reason: &str) {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.0 == number && slot.1.take().is_some() {
            warn!(reason, "Redis unavailable: each process counts clients for itself");
            self.lost.notify_one();
        }
    }

    /// Maintains the connection; never returns.
    async fn keep(self: Arc<Self>, clock: Arc<dyn Clock>, mut unavailable: bool) {
        let mut next = Instant::now() + RECONNECT_INTERVAL;
        loop {
            if !unavailable {
                self.watch(&*clock).await;
            }
            sleep_until(next).await;
            next = Instant::now() + RECONNECT_INTERVAL;
            unavailable = self.connect(clock.now()).await.is_err();
            if !unavailable {
                info!("Redis available again: all replicas share the per-client counters");
            }
        }
    }

    /// Returns when the connection is lost.
    async fn watch(&self, clock: &dyn Clock) {
        loop {
            if timeout(PROBE_INTERVAL, self.lost.notified()).await.is_ok() {
                return;
            }
            let (number, connection) = self.connection();
            if let Some(mut connection) = connection
                && let Err(reason) = probe(&mut connection, clock.now()).await
            {
                self.discard(number, &reason);
            }
        }
    }
}

/// Takes a permit from an unused key. A server that is read-only or out of memory fails this probe.
async fn probe(connection: &mut MultiplexedConnection, now: Timestamp) -> Result<(), Reason> {
    let windows = [Window::new(1, Duration::from_millis(1))];
    let command = take(&[Budget::shared("probe", &windows)], now, "probe");
    execute(&command, connection, CONNECT_TIMEOUT).await.map(drop)
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

async fn execute(
    command: &Cmd,
    connection: &mut MultiplexedConnection,
    limit: Duration,
) -> Result<i64, Reason> {
    match timeout(limit, command.query_async(connection)).await {
        Ok(reply) => reply.map_err(|error| reason(&error)),
        Err(_) => Err(timed_out(limit)),
    }
}

fn timed_out(limit: Duration) -> Reason {
    format!("timeout after {limit:?}")
}

/// Returns the category and the code of an error, or the kind of an I/O error. Its text could quote the command.
fn reason(error: &RedisError) -> Reason {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match (source, error.code()) {
        (Some(source), _) => source.kind().to_string(),
        (None, Some(code)) => format!("{}, {code}", error.category()),
        (None, None) => error.category().to_owned(),
    }
}
