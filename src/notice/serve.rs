//! Owns the serving: it accepts, gives every connection its task, keeps the log's clock, and ends
//! it all in good order. Must never spin, and never stop accepting because accepting failed once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::bounds::Buffers;
use super::connection::Connection;
use super::dialogue::Dialogue;
use super::listen::{Door, Listeners};
use super::log::{Attempt, Journal, Log, Outcome, Rotation};
use super::origin::{Origin, origin};
use super::render::Notice;
use super::room::{Order, Room};
use super::settings::Settings;

/// How long accepting rests when it fails for a reason that does not go away by itself.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// How long present connections may take to end when the listener stops.
const DRAIN: Duration = Duration::from_secs(2);

/// What was served, once it is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Connections accepted.
    pub connections: u64,
    /// Those to which the sentence was sent.
    pub told: u64,
    /// Answers sent in full.
    pub replies: u64,
    /// Those closed to make room for others.
    pub shed: u64,
    /// Those with a log line of their own.
    pub logged: u64,
    /// Those counted in a summary line.
    pub folded: u64,
}

/// What all tasks share; they run on one thread.
struct Hall {
    settings: Settings,
    room: Room,
    buffers: RefCell<Buffers>,
    journal: RefCell<Journal>,
    /// Wakes the log's clock when a line was recorded.
    recorded: Notify,
    sentences: RefCell<HashMap<u16, Rc<str>>>,
    summary: Cell<Summary>,
    visits: RefCell<JoinSet<()>>,
    out_of_descriptors: Cell<bool>,
}

/// Serves `listeners` until `shutdown` resolves, then lets present connections end within a short
/// bounded time. Runs on tokio's current-thread runtime, with its I/O and time drivers enabled.
pub async fn serve(
    listeners: Listeners,
    settings: Settings,
    log: Log,
    shutdown: impl Future<Output = ()>,
) -> Summary {
    let rotation = log.rotation();
    let hall = Rc::new(Hall {
        room: Room::new(settings.max_connections, settings.max_per_source),
        buffers: RefCell::default(),
        journal: RefCell::new(Journal::new(log, &settings)),
        settings,
        recorded: Notify::new(),
        sentences: RefCell::default(),
        summary: Cell::default(),
        visits: RefCell::default(),
        out_of_descriptors: Cell::new(false),
    });
    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            let mut doors = JoinSet::new();
            for (socket, door) in listeners.sockets {
                match TcpListener::from_std(socket) {
                    Ok(listener) => {
                        doors.spawn_local(accept_for_ever(Rc::clone(&hall), listener, door));
                    }
                    Err(cause) => tracing::error!("could not serve a listener: {cause}"),
                }
            }
            doors.spawn_local(keep_journal(Rc::clone(&hall), rotation));
            shutdown.await;
            doors.shutdown().await;
            see_everybody_out(&hall).await;
        })
        .await;
    drop(tasks);
    close(hall)
}

/// Writes the log to its end, and sums up.
fn close(hall: Rc<Hall>) -> Summary {
    let Ok(hall) = Rc::try_unwrap(hall) else {
        tracing::error!("could not finish the log: it is still in use");
        return Summary::default();
    };
    let (logged, folded) = hall.journal.into_inner().finish(Instant::now());
    Summary { logged, folded, ..hall.summary.get() }
}

async fn see_everybody_out(hall: &Hall) {
    let mut visits = hall.visits.take();
    hall.room.ask_everybody(Order::Stop);
    let drained = async { while visits.join_next().await.is_some() {} };
    if timeout(DRAIN, drained).await.is_err() {
        hall.room.ask_everybody(Order::Vanish);
        while visits.join_next().await.is_some() {}
    }
}

/// Writes lines and counts when they are due, and changes files when that is asked for.
async fn keep_journal(hall: Rc<Hall>, rotation: Rotation) {
    loop {
        let due = hall.journal.borrow().due();
        let clock = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = clock => hall.journal.borrow_mut().tend(Instant::now()),
            () = hall.recorded.notified() => {}
            () = rotation.requested() => hall.journal.borrow_mut().rotate(Instant::now()),
        }
    }
}

async fn accept_for_ever(hall: Rc<Hall>, listener: TcpListener, door: Door) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                hall.out_of_descriptors.set(false);
                welcome(&hall, stream, peer, door);
            }
            Err(cause) => hall.survive(&cause).await,
        }
    }
}

fn welcome(hall: &Rc<Hall>, stream: TcpStream, peer: SocketAddr, door: Door) {
    let mut visits = hall.visits.borrow_mut();
    while visits.try_join_next().is_some() {}
    visits.spawn_local(visit(Rc::clone(hall), stream, peer, door));
}

async fn visit(hall: Rc<Hall>, stream: TcpStream, peer: SocketAddr, door: Door) {
    let started = Instant::now();
    let guest = hall.room.enter(peer.ip(), started);
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().unwrap_or(peer);
    let origin = origin(&stream, local, door, &hall.settings);
    let mut dialogue = Dialogue::new(hall.notice(origin));
    let idle = Duration::from_secs(hall.settings.idle);
    let connection = Connection::new(&stream, &mut dialogue, &guest, &hall.buffers, idle);
    let outcome = connection.serve(&hall.room).await;
    hall.room.left(&guest);
    drop(stream);
    hall.record(
        &dialogue,
        &Attempt {
            peer,
            port: origin.port,
            redirected: origin.redirected,
            heard: dialogue.heard(),
            replies: dialogue.replies(),
            duration: started.elapsed(),
            outcome,
        },
    );
}

impl Hall {
    /// What this connection is told; the sentence of a port is worded once.
    fn notice(&self, origin: Origin) -> Notice {
        let mut sentences = self.sentences.borrow_mut();
        let sentence = sentences.entry(origin.port).or_insert_with(|| {
            let reservation = self.settings.reservation(origin.port);
            reservation.map(|found| found.sentence_for(origin.port)).unwrap_or_default().into()
        });
        Notice { sentence: Rc::clone(sentence), port: origin.port, address: origin.address }
    }

    fn record(&self, dialogue: &Dialogue, attempt: &Attempt<'_>) {
        let mut summary = self.summary.get();
        summary.connections += 1;
        summary.told += u64::from(dialogue.told());
        summary.replies += attempt.replies;
        summary.shed += u64::from(attempt.outcome == Outcome::Shed);
        self.summary.set(summary);
        self.journal.borrow_mut().record(attempt, Instant::now());
        self.recorded.notify_one();
    }

    /// Goes on after accepting failed: at once where only one peer was concerned, else after a
    /// pause, and with one descriptor more where there were none left.
    async fn survive(&self, cause: &io::Error) {
        match cause.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ECONNABORTED | Errno::EINTR | Errno::EPROTO | Errno::EPERM) => return,
            Some(Errno::EMFILE | Errno::ENFILE) => {
                self.room.free_a_descriptor();
                if !self.out_of_descriptors.replace(true) {
                    tracing::warn!("could not accept a connection: {cause}; closing idle ones");
                }
            }
            _ => tracing::warn!("could not accept a connection: {cause}"),
        }
        sleep(ACCEPT_PAUSE).await;
    }
}
