//! Temporary PostgreSQL, MariaDB and Redis servers and a Galera cluster for the tests, each in a temporary folder and on
//! free ports.
//!
//! If the environment variable of an engine is set, the tests use that server instead. Missing programs are installed
//! if this runs as root on a system with apt-get; otherwise the tests on that engine are skipped with a message. The same
//! holds for the programs that single tests start themselves.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use conformance::{
    galera::{self, GaleraCluster},
    ports,
    programs::{command, find, give_away, quietly, server, unprivileged},
};
use tempfile::TempDir;

/// Timeout for the start of a server.
const TIMEOUT: Duration = Duration::from_secs(90);

/// The running servers, and the environment variables with their URLs.
pub(crate) struct Servers {
    pub(crate) variables: Vec<(&'static str, String)>,
    /// Names of the engines that could not be started.
    pub(crate) missing: Vec<&'static str>,
    _running: Vec<Running>,
    _cluster: Option<GaleraCluster>,
}

struct Running {
    child: Child,
    /// Signal that shuts the server down cleanly.
    signal: &'static str,
    _folder: TempDir,
}

/// A database engine: its environment variable, its Debian packages, and how to start it.
struct DatabaseEngine {
    name: &'static str,
    variable: &'static str,
    packages: &'static [&'static str],
    programs: &'static [&'static str],
    start: fn(&Path, u16) -> Result<Command>,
    signal: &'static str,
    url: fn(u16) -> String,
}

const ENGINES: [DatabaseEngine; 3] = [
    DatabaseEngine {
        name: "PostgreSQL",
        variable: "TEST_POSTGRES_URL",
        packages: &["postgresql"],
        programs: &["initdb", "postgres"],
        start: postgres,
        signal: "-INT",
        url: |port| format!("postgres://postgres@127.0.0.1:{port}/postgres"),
    },
    DatabaseEngine {
        name: "MariaDB",
        variable: "TEST_MARIADB_URL",
        packages: &["mariadb-server"],
        programs: &["mariadb-install-db", "mariadbd"],
        start: mariadb,
        signal: "-TERM",
        url: |port| format!("mysql://root@127.0.0.1:{port}/"),
    },
    DatabaseEngine {
        name: "Redis",
        variable: "TEST_REDIS_URL",
        packages: &["redis-server"],
        programs: &["redis-server"],
        start: redis,
        signal: "-TERM",
        url: |port| format!("redis://127.0.0.1:{port}/"),
    },
];

/// Programs that tests start themselves, and their Debian packages.
const PROGRAMS: [(&str, &str); 6] = [
    ("pgbouncer", "pgbouncer"),
    ("nginx", "nginx-light"),
    ("haproxy", "haproxy"),
    ("spamassassin", "spamassassin"),
    ("openssl", "openssl"),
    // A verifier of DKIM signatures. The package also brings the module that the tests import.
    ("dkimverify", "python3-dkim"),
];

impl Servers {
    /// Starts a server of each engine whose variable is not set.
    pub(crate) fn start() -> Self {
        let (mut variables, mut missing, mut running) = (Vec::new(), Vec::new(), Vec::new());
        for engine in &ENGINES {
            if is_set(engine.variable) {
                continue;
            }
            match engine.run() {
                Ok((server, port)) => {
                    running.push(server);
                    variables.push((engine.variable, (engine.url)(port)));
                }
                Err(reason) => {
                    eprintln!("SKIPPED all tests on {}: {reason:#}", engine.name);
                    missing.push(engine.name);
                }
            }
        }
        for (program, package) in PROGRAMS.into_iter().filter(|(program, _)| find(program).is_none()) {
            if let Err(reason) = install(&[package]) {
                eprintln!("SKIPPED all tests on {program}: {reason:#}");
                missing.push(program);
            }
        }
        let mut cluster = None;
        if !is_set(galera::VARIABLE) {
            match start_cluster() {
                Ok(started) => {
                    variables.push((galera::VARIABLE, started.urls().join(",")));
                    cluster = Some(started);
                }
                Err(reason) => {
                    eprintln!("SKIPPED all tests on a Galera cluster: {reason:#}");
                    missing.push("Galera");
                }
            }
        }
        Self { variables, missing, _running: running, _cluster: cluster }
    }
}

impl Servers {
    /// Returns the URL of a PostgreSQL server, and starts one if none is configured.
    pub(crate) fn postgres() -> Result<(Self, String)> {
        Self::of(&ENGINES[0])
    }

    /// Returns the URL of a MariaDB server, and starts one if none is configured.
    pub(crate) fn mariadb() -> Result<(Self, String)> {
        Self::of(&ENGINES[1])
    }

    fn of(engine: &DatabaseEngine) -> Result<(Self, String)> {
        if let Some(url) = std::env::var_os(engine.variable).filter(|url| !url.is_empty()) {
            let url = url.into_string().map_err(|_| anyhow!("{} is not UTF-8", engine.variable))?;
            return Ok((Self::running(Vec::new()), url));
        }
        let (server, port) = engine.run()?;
        Ok((Self::running(vec![server]), (engine.url)(port)))
    }

    fn running(servers: Vec<Running>) -> Self {
        Self { variables: Vec::new(), missing: Vec::new(), _running: servers, _cluster: None }
    }
}

fn start_cluster() -> Result<GaleraCluster> {
    if galera::library().is_none() || ["mariadbd", "rsync"].iter().any(|program| find(program).is_none()) {
        install(&galera::PACKAGES)?;
    }
    GaleraCluster::start()
}

impl DatabaseEngine {
    fn run(&self) -> Result<(Running, u16)> {
        if self.programs.iter().any(|program| find(program).is_none()) {
            install(self.packages)?;
        }
        let folder = tempfile::Builder::new().prefix("polyreset-server-").tempdir()?;
        give_away(folder.path())?;
        let port = ports::free();
        let log = folder.path().join("log");
        let mut server = (self.start)(folder.path(), port)?;
        let child = server.stdout(Stdio::null()).stderr(fs::File::create(&log)?).spawn();
        let child = child.with_context(|| format!("starting {}", self.name))?;
        let mut running = Running { child, signal: self.signal, _folder: folder };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = running.child.try_wait()?.is_some();
            if ended || began.elapsed() > TIMEOUT {
                bail!("the server did not start: {}", fs::read_to_string(&log).unwrap_or_default());
            }
            sleep(Duration::from_millis(50));
        }
        Ok((running, port))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        if !command("kill").args([self.signal, &pid]).status().is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn postgres(folder: &Path, port: u16) -> Result<Command> {
    let data = folder.join("data");
    let mut init = server("initdb")?;
    init.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"]);
    quietly(init.arg(&data))?;
    let mut own = server("postgres")?;
    own.arg("-D").arg(&data).arg("-p").arg(port.to_string());
    // The data need not survive a crash.
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "full_page_writes=off",
        "max_connections=300",
    ] {
        own.args(["-c", setting]);
    }
    Ok(own)
}

fn mariadb(folder: &Path, port: u16) -> Result<Command> {
    let data = format!("--datadir={}", folder.join("data").display());
    let mut init = server("mariadb-install-db")?;
    init.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &data]);
    quietly(&mut init)?;
    let mut own = server("mariadbd")?;
    own.args(["--no-defaults", "--bind-address=127.0.0.1", "--max-connections=300", &data]);
    own.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M"]);
    own.arg(format!("--port={port}"));
    own.arg(format!("--socket={}", folder.join("socket").display()));
    own.arg(format!("--pid-file={}", folder.join("pid").display()));
    Ok(own)
}

fn redis(folder: &Path, port: u16) -> Result<Command> {
    let mut own = server("redis-server")?;
    own.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"]).arg(folder);
    Ok(own)
}

/// Installs Debian packages.
///
/// # Errors
/// Fails without root or apt-get, and if the installation fails.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    ensure!(
        unprivileged().is_some() && find("apt-get").is_some(),
        "{} not installed",
        packages.join(" and ")
    );
    println!("installing {}", packages.join(" and "));
    let apt = |arguments: &[&str]| {
        let mut apt = command("apt-get");
        quietly(apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"])?;
    apt(&[&["install", "-y", "--no-install-recommends"], packages].concat())
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}
