//! Tells a supervisor of the systemd kind which process serves (`sd_notify`).

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::{env, io, process};

/// Says that this process serves from now on; after a hand-over that is another one than the supervisor started.
pub fn tell_ready() {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = tell(&name, &format!("READY=1\nMAINPID={}\n", process::id())) {
        tracing::warn!(%error, "the supervisor could not be told who serves");
    }
}

fn tell(name: &OsStr, text: &str) -> io::Result<()> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(hidden) => SocketAddr::from_abstract_name(hidden)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_hears_on_a_path_and_on_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listening = UnixDatagram::bind(&path).unwrap();
        let name = format!("@footfall-test-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name.as_bytes()[1..]).unwrap();
        let hidden = UnixDatagram::bind_addr(&address).unwrap();
        for (socket, name) in [(listening, path.as_os_str()), (hidden, OsStr::new(&name))] {
            tell(name, "READY=1\n").unwrap();
            let mut said = [0; 64];
            let length = socket.recv(&mut said).unwrap();
            assert_eq!(&said[..length], b"READY=1\n");
        }
    }
}
