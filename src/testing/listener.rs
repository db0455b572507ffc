//! Where a server listens: a port of the loopback, or a path.

use std::io;
use std::time::Duration;

#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpStream};

use super::connection::Io;
use super::script::{Script, ScriptStep};

pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// The next client.
    pub(super) async fn accept(&self, script: Option<&Script>) -> io::Result<Box<dyn Io>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                prepare(&stream, script);
                Ok(Box::new(stream))
            }
            #[cfg(unix)]
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

fn prepare(stream: &TcpStream, script: Option<&Script>) {
    // Both are about how the end and small pieces look to the client, never about what is said.
    let _ = stream.set_nodelay(true);
    let resets = |script: &Script| {
        let last = script.lines().last();
        last.is_some_and(|line| *line.step() == ScriptStep::Reset)
    };
    if script.is_some_and(resets) {
        #[allow(
            deprecated,
            reason = "its successor is younger than the oldest tokio that will do; zero never blocks"
        )]
        let _ = stream.set_linger(Some(Duration::ZERO));
    }
}

/// The file of a socket that was made here; it goes when this is dropped.
#[cfg(unix)]
pub(super) struct SocketFile {
    pub(super) path: std::path::PathBuf,
    /// Device and inode, by which another's file at the same path is known.
    id: (u64, u64),
}

#[cfg(unix)]
impl SocketFile {
    /// Listens at a path where there is nothing yet.
    pub(super) fn bind(path: &std::path::Path) -> io::Result<(Listener, Self)> {
        // The place may be another one when the time has come to remove it.
        let path = std::path::absolute(path)?;
        let listener = UnixListener::bind(&path)?;
        let id = file_id(&path)?;
        Ok((Listener::Unix(listener), Self { path, id }))
    }
}

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        if file_id(&self.path).is_ok_and(|id| id == self.id) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn file_id(path: &std::path::Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;

    let file = std::fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}
