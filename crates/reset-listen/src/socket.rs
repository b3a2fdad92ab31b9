//! Binds the listening socket before serving, so that clients can connect once `listening on …` is printed.

use std::{
    fmt, fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
};

use anyhow::{Context, Result, anyhow, bail};

/// Connections that wait in the system's queue until they are accepted. If a burst of connections fills the queue, a
/// client waits a second and longer, because its system has to try again.
const QUEUE: i32 = 1024;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Parses `IP:PORT`, or `unix:` and a path.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("unix:") {
            Some("") => None,
            Some(path) => Some(Self::Unix(path.into())),
            None => text.parse().ok().map(Self::Tcp),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound, non-blocking socket for the async runtime.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// A bound listener with its actual address.
pub struct Bound {
    /// The socket.
    pub listener: Listener,
    /// The actual address: for port 0, with the port that the system chose.
    pub at: ListenAddress,
    /// The file of a Unix socket.
    pub file: Option<SocketFile>,
}

/// The file of a Unix socket. Dropping this removes the file, because the standard library does not.
pub struct SocketFile {
    path: PathBuf,
    /// Inode of the file: a later process may have replaced it with its own.
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // The file may be gone already.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds the socket that `setting` configures.
///
/// # Errors
/// Fails with a sentence that names the setting if the address cannot be bound or is in use.
pub fn bind(setting: &str, listen: &ListenAddress) -> Result<Bound> {
    match listen {
        ListenAddress::Tcp(address) => {
            let listener =
                TcpListener::bind(address).map_err(|error| not_bound(setting, *address, &error))?;
            listener.set_nonblocking(true)?;
            // The standard library listens with a queue of 128. Without the longer one, the server works, too.
            let _ = socket2::SockRef::from(&listener).listen(QUEUE);
            let at = ListenAddress::Tcp(listener.local_addr()?);
            Ok(Bound { listener: Listener::Tcp(listener), at, file: None })
        }
        ListenAddress::Unix(path) => {
            let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
            if is_socket && UnixStream::connect(path).is_ok() {
                bail!("{setting}: another process already serves on {listen}");
            }
            if is_socket {
                fs::remove_file(path)
                    .with_context(|| format!("{setting}: the stale socket {listen} cannot be removed"))?;
            }
            let listener =
                UnixListener::bind(path).with_context(|| format!("{setting}: {listen} cannot be bound"))?;
            let file = SocketFile { path: path.clone(), inode: fs::symlink_metadata(path)?.ino() };
            // A reverse proxy in the same group can connect.
            fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
            listener.set_nonblocking(true)?;
            Ok(Bound { listener: Listener::Unix(listener), at: listen.clone(), file: Some(file) })
        }
    }
}

/// Describes why a TCP address cannot be bound, with what to do.
fn not_bound(setting: &str, address: SocketAddr, error: &io::Error) -> anyhow::Error {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there: stop it, or choose another port",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: choose one of its own, or 0.0.0.0"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one",
        _ => return anyhow!("{setting}: {address} cannot be bound: {error}"),
    };
    let flag = if setting == "listen" { " (--listen, POLYRESET_LISTEN)" } else { "" };
    anyhow!("{setting}: {address} cannot be bound, {remedy}{flag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_address_is_an_ip_and_a_port_or_the_path_of_a_socket() {
        for text in ["127.0.0.1:8080", "[::1]:0", "unix:/run/r.sock", "unix:r.sock"] {
            assert_eq!(ListenAddress::parse(text).map(|listen| listen.to_string()).as_deref(), Some(text));
        }
        assert_eq!(ListenAddress::parse("unix:/run/r.sock"), Some(ListenAddress::Unix("/run/r.sock".into())));
        for text in
            ["127.0.0.1", "unix:", ":8080", "8080", "localhost", "localhost:80", "", "tcp://127.0.0.1:80"]
        {
            assert_eq!(ListenAddress::parse(text), None, "{text}");
        }
    }

    #[test]
    fn dropped_listener_keeps_the_socket_of_a_later_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reset.sock");
        let bound = bind("listen", &ListenAddress::Unix(path.clone())).unwrap();
        fs::remove_file(&path).unwrap();
        // Another file first, so that the later socket does not get the freed inode.
        fs::write(dir.path().join("other"), "").unwrap();
        let later = UnixListener::bind(&path).unwrap();
        drop(bound);
        assert!(path.exists());
        drop(later);
    }

    #[test]
    fn bound_address_has_the_port_that_the_system_chose() {
        let bound = bind("listen", &ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
        assert!(matches!(bound.at, ListenAddress::Tcp(address) if address.port() != 0));
        let error = bind("listen", &bound.at).err().unwrap();
        assert!(error.to_string().starts_with("listen: 127.0.0.1:"));
    }

    #[test]
    fn stale_socket_is_replaced_and_a_live_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reset.sock");
        let listen = ListenAddress::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the standard library does not remove the file");

        let bound = bind("listen", &listen).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(bind("listen", &listen).is_err());
        drop(bound);
        assert!(!path.exists());

        fs::write(&path, "another file").unwrap();
        assert!(bind("listen", &listen).is_err());
        assert!(path.exists());
    }
}
