//! Owns answering Prometheus: `GET /metrics` on 127.0.0.1, one request a connection. Must never hold up
//! the listener: few are served at once, each for a short time.

use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::exposition::{Form, render};

use super::counters::Counts;

/// Requests answered at once; others wait in the kernel's queue.
const AT_ONCE: usize = 4;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of a request.
const LONGEST: usize = 8 * 1024;
/// The most headers of one.
const HEADERS: usize = 64;
/// How long accepting rests when it fails.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes the port, before anything is served.
///
/// # Errors
/// What the kernel said.
pub(in crate::listener) fn bind(port: u16) -> io::Result<StdListener> {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers until the runtime ends. Runs on a tokio runtime with its I/O and time drivers enabled.
pub(in crate::listener) async fn serve(listener: StdListener, counts: Arc<Counts>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(cause) => return tracing::warn!("could not show metrics: {cause}"),
    };
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let counts = Arc::clone(&counts);
                tokio::spawn(async move {
                    let _permit = permit;
                    let _ = timeout(PATIENCE, answer(stream, &counts)).await;
                });
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn answer(mut stream: TcpStream, counts: &Counts) -> io::Result<()> {
    let mut request = Vec::new();
    let reply = loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(&request) {
            Ok(httparse::Status::Complete(_)) => break reply(&parsed, counts),
            Ok(httparse::Status::Partial) if request.len() < LONGEST => {}
            Ok(httparse::Status::Partial) => {
                break plain("431 Request Header Fields Too Large", "the request is too long\n");
            }
            Err(_) => break plain("400 Bad Request", "this is not HTTP\n"),
        }
        let room = LONGEST - request.len();
        if (&mut stream).take(room as u64).read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    };
    stream.write_all(reply.as_bytes()).await?;
    stream.shutdown().await
}

fn reply(request: &httparse::Request<'_, '_>, counts: &Counts) -> String {
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    match (request.method, path) {
        (Some("GET"), "/metrics") => {}
        (Some("GET"), _) => return plain("404 Not Found", "metrics are at /metrics\n"),
        _ => return plain("405 Method Not Allowed", "only GET is answered\n"),
    }
    let accepts = |header: &&httparse::Header<'_>| {
        header.name.eq_ignore_ascii_case("accept")
            && String::from_utf8_lossy(header.value).contains("application/openmetrics-text")
    };
    let open = request.headers.iter().find(accepts).is_some();
    let form = if open { Form::OpenMetrics } else { Form::Text };
    response("200 OK", form.content_type(), &render(&counts.metrics(), form))
}

fn plain(status: &str, text: &str) -> String {
    response(status, "text/plain; charset=utf-8", text)
}

fn response(status: &str, content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}
