//! The socket, bound before anything is served: whoever reads `listening on …` can connect.

use std::{
    fmt, fs,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
};

use anyhow::{Context, Result, bail};

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

/// A bound socket that does not block, for the runtime to take over.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// A listener, where it really is, and what must go when it ends.
pub struct Bound {
    /// The socket.
    pub listener: Listener,
    /// Its address; the port is the one that the system chose where none was asked for.
    pub at: ListenAddress,
    /// The file of a Unix socket.
    pub file: Option<SocketFile>,
}

/// The file of a Unix socket. It goes when this is dropped: no server removes it by itself.
pub struct SocketFile {
    path: PathBuf,
    /// Which file it was: a successor may have put its own in the place.
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // Gone already is as good.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds the socket that `setting` names.
///
/// # Errors
/// Fails with a sentence that names the setting if the address cannot be bound or the socket is in use.
pub fn bind(setting: &str, listen: &ListenAddress) -> Result<Bound> {
    match listen {
        ListenAddress::Tcp(address) => {
            let listener = TcpListener::bind(address)
                .with_context(|| format!("{setting}: {address} cannot be bound"))?;
            listener.set_nonblocking(true)?;
            let at = ListenAddress::Tcp(listener.local_addr()?);
            Ok(Bound { listener: Listener::Tcp(listener), at, file: None })
        }
        ListenAddress::Unix(path) => {
            let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
            if is_socket && UnixStream::connect(path).is_ok() {
                bail!("{setting}: somebody serves on {listen} already");
            }
            if is_socket {
                fs::remove_file(path)
                    .with_context(|| format!("{setting}: the stale {listen} cannot be removed"))?;
            }
            let listener =
                UnixListener::bind(path).with_context(|| format!("{setting}: {listen} cannot be bound"))?;
            let file = SocketFile { path: path.clone(), inode: fs::symlink_metadata(path)?.ino() };
            // The proxy in front shares our group.
            fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
            listener.set_nonblocking(true)?;
            Ok(Bound { listener: Listener::Unix(listener), at: listen.clone(), file: Some(file) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_the_systems_choice_is_told() {
        let bound = bind("listen", &ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
        assert!(matches!(bound.at, ListenAddress::Tcp(address) if address.port() != 0));
        let error = bind("listen", &bound.at).err().unwrap();
        assert!(error.to_string().starts_with("listen: 127.0.0.1:"));
    }

    #[test]
    fn a_stale_socket_makes_room_and_a_living_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reset.sock");
        let listen = ListenAddress::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the standard library leaves the file");

        let bound = bind("listen", &listen).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(bind("listen", &listen).is_err());
        drop(bound);
        assert!(!path.exists());

        fs::write(&path, "somebody's file").unwrap();
        assert!(bind("listen", &listen).is_err());
        assert!(path.exists());
    }
}
