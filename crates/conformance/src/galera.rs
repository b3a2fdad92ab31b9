//! A private Galera cluster of three MariaDB nodes on this machine, which a test can freeze, continue and kill.
//!
//! `cargo xtask test` starts one and sets [`VARIABLE`] to the URLs of its nodes.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::Once,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::{
    databases::{skipped, variable},
    ports,
    programs::{command, give_away, quietly, server},
};

/// Environment variable with the administrator's URLs of three nodes, separated by commas.
pub const VARIABLE: &str = "TEST_GALERA_URLS";

/// Debian packages with the server, the replication library, and the program that copies the data to a new node.
pub const PACKAGES: [&str; 3] = ["mariadb-server", "galera-4", "rsync"];

/// Folders with the replication library: Debian, Fedora, other systems.
const LIBRARIES: [&str; 3] =
    ["/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so", "/usr/lib/libgalera_smm.so"];

/// Timeout for the start of one node, which copies the data of another one.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Number of lines of a node's log that an error shows.
const LOG_LINES: usize = 20;

/// A running cluster. Dropping it kills its nodes: the data need not survive.
pub struct GaleraCluster {
    nodes: Vec<Node>,
    folder: TempDir,
}

struct Node {
    child: Child,
    port: u16,
}

/// The free ports of one node: clients, replication, and the two ways of receiving the data of another node.
struct Ports {
    sql: u16,
    group: u16,
    incremental: u16,
    full: u16,
}

/// Returns the URLs of the three nodes. If they are not set, prints that once and returns `None`; with `CI=true`,
/// panics.
pub fn urls() -> Option<Vec<String>> {
    static REPORTED: Once = Once::new();
    let urls = variable(VARIABLE);
    if urls.is_none() {
        let reason = format!(
            "all tests on a Galera cluster, because {VARIABLE} is not set; `cargo xtask test` starts one"
        );
        skipped(&REPORTED, &reason);
    }
    urls.map(|urls| urls.split(',').map(str::to_owned).collect())
}

/// Returns the path of the replication library, or `None` if it is not installed.
pub fn library() -> Option<PathBuf> {
    LIBRARIES.iter().map(PathBuf::from).find(|path| path.is_file())
}

impl GaleraCluster {
    /// Starts three nodes.
    ///
    /// # Errors
    /// Fails if a program is not installed or a node does not start.
    pub fn start() -> anyhow::Result<Self> {
        let library = library().context("galera-4 is not installed")?;
        let folder = tempfile::Builder::new().prefix("polyreset-galera-").tempdir()?;
        give_away(folder.path())?;
        let ports = [(); 3].map(|()| free_ports());
        let first = folder.path().join("0");
        for number in 0..ports.len() {
            let node = folder.path().join(number.to_string());
            fs::create_dir_all(node.join("data"))?;
            give_away(&node)?;
            give_away(&node.join("data"))?;
        }
        let mut init = server("mariadb-install-db")?;
        init.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        init.args(["--innodb-log-file-size=16M", &format!("--datadir={}", first.join("data").display())]);
        quietly(&mut init)?;
        let members: Vec<String> = ports.iter().map(|one| format!("127.0.0.1:{}", one.group)).collect();
        let mut cluster = Self { nodes: Vec::new(), folder };
        for (number, ports) in ports.iter().enumerate() {
            // The first node founds the cluster; each other one copies the data of a running node.
            let members = if number == 0 { String::new() } else { members.join(",") };
            let folder = cluster.folder.path().join(number.to_string());
            let child = spawn(&folder, ports, &members, &library)?;
            cluster.nodes.push(Node { child, port: ports.sql });
            cluster.wait_for(number, &folder)?;
        }
        Ok(cluster)
    }

    /// Returns the administrator's URL of each node.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("mysql://root@127.0.0.1:{}/", node.port)).collect()
    }

    /// Stops a node without closing its connections, like a machine that hangs.
    pub fn freeze(&self, number: usize) {
        self.signal(number, "-STOP");
    }

    /// Continues a frozen node.
    pub fn thaw(&self, number: usize) {
        self.signal(number, "-CONT");
    }

    /// Kills a node, as a machine failure does.
    pub fn kill(&mut self, number: usize) {
        let child = &mut self.nodes[number].child;
        let _ = child.kill();
        let _ = child.wait();
    }

    fn signal(&self, number: usize, signal: &str) {
        let pid = self.nodes[number].child.id().to_string();
        let _ = command("kill").args([signal, &pid]).status();
    }

    /// Waits until a node has the data of the cluster and accepts clients.
    fn wait_for(&mut self, number: usize, folder: &Path) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            let node = &mut self.nodes[number];
            let accepts = || TcpStream::connect((Ipv4Addr::LOCALHOST, node.port)).is_ok();
            if log.contains("Synchronized with group") && log.contains("ready for connections.") && accepts()
            {
                return Ok(());
            }
            if node.child.try_wait()?.is_some() || began.elapsed() > TIMEOUT {
                // The end tells why. All of it would fill the output of the tests.
                let lines: Vec<&str> = log.lines().collect();
                let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
                bail!("node {number} did not start: {end}");
            }
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for GaleraCluster {
    fn drop(&mut self) {
        for number in 0..self.nodes.len() {
            self.kill(number);
        }
    }
}

fn free_ports() -> Ports {
    Ports { sql: ports::free(), group: ports::free(), incremental: ports::free(), full: ports::free() }
}

fn spawn(folder: &Path, ports: &Ports, members: &str, library: &Path) -> anyhow::Result<Child> {
    let mut node = server("mariadbd")?;
    node.args(["--no-defaults", "--bind-address=127.0.0.1", "--max-connections=300"]);
    node.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M"]);
    node.args(["--innodb-log-file-size=16M", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2"]);
    node.args(["--wsrep-on=ON", "--wsrep-sst-method=rsync", "--wsrep-slave-threads=2"]);
    for (option, value) in [
        ("datadir", folder.join("data").display().to_string()),
        ("socket", folder.join("socket").display().to_string()),
        ("pid-file", folder.join("pid").display().to_string()),
        ("port", ports.sql.to_string()),
        ("wsrep-provider", library.display().to_string()),
        ("wsrep-cluster-name", "polyreset".to_owned()),
        ("wsrep-cluster-address", format!("gcomm://{members}")),
        ("wsrep-node-address", format!("127.0.0.1:{}", ports.group)),
        ("wsrep-sst-receive-address", format!("127.0.0.1:{}", ports.full)),
        // A frozen node is expelled after six seconds instead of fifteen, and nothing is kept on disk for long.
        (
            "wsrep-provider-options",
            format!(
                "base_port={group};gmcast.listen_addr=tcp://127.0.0.1:{group};ist.recv_addr=127.0.0.1:{ist};\
                 gcache.size=32M;gcache.page_size=8M;evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT3S;\
                 evs.inactive_timeout=PT6S;evs.inactive_check_period=PT0.5S;evs.install_timeout=PT6S",
                group = ports.group,
                ist = ports.incremental
            ),
        ),
    ] {
        node.arg(format!("--{option}={value}"));
    }
    let log = fs::File::create(folder.join("log"))?;
    let child = node.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    child.context("starting mariadbd")
}
