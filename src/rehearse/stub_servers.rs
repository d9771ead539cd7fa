//! Stub servers in the place of the host's services: they answer every command with PONG, as Redis answers
//! PING, over both families.

use crate::error::Error;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Binds every port, and serves them on a thread for as long as the process lives. Call it after the
/// namespaces are made: a thread stays in those in which it starts.
///
/// # Errors
/// A port that cannot be bound.
pub(super) fn start(ports: &[u16], with_ipv6: bool) -> Result<(), Error> {
    let mut bound = Vec::new();
    for port in ports {
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port));
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port));
        for address in [Some(v4), with_ipv6.then_some(v6)].into_iter().flatten() {
            let listener = listen(address)
                .map_err(|error| Error::new(format!("serve {address} in the rehearsal"), error))?;
            bound.push(listener);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|error| Error::new("serve in the rehearsal", error))?;
    thread::spawn(move || {
        runtime.block_on(async {
            for listener in bound {
                if let Ok(listener) = TcpListener::from_std(listener) {
                    tokio::spawn(serve(listener));
                }
            }
            std::future::pending::<()>().await;
        });
    });
    Ok(())
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Otherwise it would take the port of IPv4 too (ipv6(7)).
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(64)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 64];
    while stream.read(&mut buffer).await? > 0 {
        stream.write_all(b"+PONG\r\n").await?;
    }
    Ok(())
}
