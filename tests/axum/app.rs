//! The router under test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::routing::{get, post};
use tokio::sync::Barrier;
use unix_transport::adapters::Peer;

/// How long the answer of `/big` is.
pub(crate) const BIG: u64 = 1 << 30;

const BLOCK: usize = 1 << 20;
const PAGE: usize = 4096;

/// What the handlers share with the test.
#[derive(Clone)]
pub(crate) struct App {
    /// How many requests wait in `/meet`.
    pub(crate) waiting: Arc<AtomicUsize>,
    /// Where two requests of `/meet` meet.
    pub(crate) meeting: Arc<Barrier>,
    /// How many answers of `/big` are on their way.
    pub(crate) bodies: Arc<AtomicUsize>,
    /// What `/block` waits for, without giving the thread back.
    pub(crate) gate: Arc<Mutex<Option<Receiver<()>>>>,
}

impl App {
    pub(crate) fn new() -> App {
        App {
            waiting: Arc::default(),
            meeting: Arc::new(Barrier::new(2)),
            bodies: Arc::default(),
            gate: Arc::default(),
        }
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/", get(async || "hello"))
            .route("/who", get(who))
            // As a whole: Python sends all of it before it reads.
            .route("/echo", post(async |body: Bytes| body))
            .layer(DefaultBodyLimit::disable())
            .route("/big", get(big))
            .route("/meet", get(meet))
            .route("/waiting", get(waiting))
            .route("/block", get(block))
            .route("/panic", get(async || -> &'static str { panic!("as it was asked to") }))
            .with_state(self.clone())
    }
}

async fn who(ConnectInfo(peer): ConnectInfo<Peer>) -> String {
    let credentials = peer.credentials.expect("the kernel knows");
    let (pid, uid, gid) = (credentials.pid.unwrap_or(0), credentials.uid, credentials.gid);
    format!("{pid} {uid} {gid} {}", peer.address)
}

async fn meet(State(app): State<App>) -> &'static str {
    app.waiting.fetch_add(1, Ordering::SeqCst);
    app.meeting.wait().await;
    app.waiting.fetch_sub(1, Ordering::SeqCst);
    "met"
}

async fn waiting(State(app): State<App>) -> String {
    app.waiting.load(Ordering::SeqCst).to_string()
}

async fn block(State(app): State<App>) -> &'static str {
    let gate = app.gate.lock().expect("nobody panicked").take().expect("a gate");
    app.waiting.fetch_add(1, Ordering::SeqCst);
    gate.recv().expect("the test opens it");
    "opened"
}

/// [`BIG`] bytes, made as they are sent: each page begins with its own number.
async fn big(State(app): State<App>) -> Body {
    static PAGES: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..BLOCK).map(|at| ((at % PAGE) * 31 + 7) as u8).collect());
    app.bodies.fetch_add(1, Ordering::SeqCst);
    let underway = Underway(app.bodies);
    let blocks = (0..BIG / BLOCK as u64).map(move |block| {
        _ = &underway;
        let mut bytes = PAGES.clone();
        for (page, number) in bytes.chunks_exact_mut(PAGE).zip(block * (BLOCK / PAGE) as u64..) {
            page[..8].copy_from_slice(&number.to_le_bytes());
        }
        Ok::<_, std::convert::Infallible>(Bytes::from(bytes))
    });
    Body::from_stream(futures_util::stream::iter(blocks))
}

struct Underway(Arc<AtomicUsize>);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
