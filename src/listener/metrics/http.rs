//! The metrics endpoint: `GET /metrics` over HTTP/1.1 on 127.0.0.1, one request a connection.
//!
//! Never: delays the listener. Few requests are served at once, each for a short time.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::counters::Counters;
use crate::exposition::{Format, render};
use crate::listener::health::{Health, Part};
use crate::listener_contract::METRICS_FAULT;

/// Requests served at once; further ones wait in the kernel's backlog.
const MAX_CONCURRENT: usize = 4;
/// How long a request may take, from accepting to the last byte of the response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of a request.
const MAX_REQUEST: usize = 8 * 1024;
/// The most header fields of a request.
const MAX_HEADERS: usize = 64;
/// How long accepting rests when it fails.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);
/// How long a port that is taken is not tried again.
const BIND_DELAY: Duration = Duration::from_secs(2);

/// Binds `port` on 127.0.0.1, and serves it in a task until the runtime ends. A port that cannot be bound is
/// reported to `health`, and tried again.
pub async fn start(port: u16, counters: Arc<Counters>, health: Arc<Health>) {
    let bind = async move || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let fault = |cause: io::Error| format!("{METRICS_FAULT}{port}: {cause}");
    match bind().await {
        Ok(listener) => drop(tokio::spawn(serve(listener, counters))),
        Err(cause) => {
            let fault = fault(cause);
            tracing::warn!("{fault}");
            health.set(Part::MetricsPort, Some(fault));
            tokio::spawn(async move {
                let listener = loop {
                    sleep(BIND_DELAY).await;
                    if let Ok(listener) = bind().await {
                        break listener;
                    }
                };
                tracing::info!("metrics are served on port {port}");
                health.set(Part::MetricsPort, None);
                serve(listener, counters).await;
            });
        }
    }
}

async fn serve(listener: TcpListener, counters: Arc<Counters>) {
    let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let counters = Arc::clone(&counters);
                tokio::spawn(async move {
                    let _permit = permit;
                    let _ = timeout(REQUEST_TIMEOUT, respond(stream, &counters)).await;
                });
            }
            Err(_) => sleep(ACCEPT_DELAY).await,
        }
    }
}

async fn respond(mut stream: TcpStream, counters: &Counters) -> io::Result<()> {
    let mut request = Vec::new();
    let response = loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(&request) {
            Ok(httparse::Status::Complete(_)) => break response_to(&parsed, counters),
            Ok(httparse::Status::Partial) if request.len() < MAX_REQUEST => {}
            Ok(httparse::Status::Partial) => {
                break plain("431 Request Header Fields Too Large", "the request is too long\n");
            }
            Err(_) => break plain("400 Bad Request", "this is not HTTP\n"),
        }
        let space = MAX_REQUEST - request.len();
        if (&mut stream).take(space as u64).read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    };
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

fn response_to(request: &httparse::Request<'_, '_>, counters: &Counters) -> String {
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    match (request.method, path) {
        (Some("GET"), "/metrics") => {}
        (Some("GET"), _) => return plain("404 Not Found", "metrics are at /metrics\n"),
        _ => return plain("405 Method Not Allowed", "only GET is answered\n"),
    }
    let wants_openmetrics = request.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("accept")
            && String::from_utf8_lossy(header.value).contains("application/openmetrics-text")
    });
    let format = if wants_openmetrics { Format::OpenMetrics } else { Format::Text };
    response("200 OK", format.content_type(), &render(&counters.metrics(), format))
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
