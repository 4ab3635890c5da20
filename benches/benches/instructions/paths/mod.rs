//! The hot paths: what a program does again and again, on each backend.

mod echo;
mod meeting;
mod tasks;

use std::io;

use unix_transport::{Availability, Backend, Blocking, Epoll, Uring};

/// Something to count.
pub(crate) struct Path {
    pub(crate) name: String,
    /// What is done once in each operation.
    pub(crate) operation: &'static str,
    /// How many operations [`walk`](Self::walk) counts; enough of them that the set-up, which is
    /// counted too where it can't be separated, does not matter.
    pub(crate) operations: u32,
    /// Whether it can be walked here.
    pub(crate) probe: fn() -> Availability,
    /// Warms up, then walks it inside of [`counted`](crate::valgrind::counted).
    pub(crate) walk: fn() -> io::Result<()>,
}

/// All of them.
pub(crate) fn all() -> Vec<Path> {
    let mut paths = of::<Epoll>();
    paths.extend(of::<Uring>());
    paths.push(Path {
        name: "uring-echo-direct".to_owned(),
        operation: echo::ROUND_TRIP,
        operations: echo::ROUND_TRIPS,
        probe: Uring::probe,
        walk: echo::direct::<Uring>,
    });
    paths.extend(of::<Blocking>());
    let synchronous = |name: &str, operation, operations, walk| Path {
        name: format!("sync-{name}"),
        operation,
        operations,
        probe: || Availability::Yes(String::new()),
        walk,
    };
    paths.extend([
        synchronous("echo", echo::ROUND_TRIP, echo::ROUND_TRIPS, echo::synchronous),
        synchronous("accept", meeting::ACCEPT, meeting::MEETINGS, meeting::accept_synchronously),
        synchronous("connect", meeting::CONNECT, meeting::MEETINGS, meeting::connect_synchronously),
    ]);
    paths.extend([
        Path {
            name: "task-wake".to_owned(),
            operation: tasks::WAKE,
            operations: tasks::WAKES,
            probe: Epoll::probe,
            walk: tasks::wake::<Epoll>,
        },
        Path {
            name: "timer".to_owned(),
            operation: tasks::TIMER,
            operations: tasks::TIMERS,
            probe: Epoll::probe,
            walk: tasks::timer::<Epoll>,
        },
    ]);
    paths
}

/// What every backend has.
fn of<B: Backend>() -> Vec<Path> {
    let path = |name: &str, operation, operations, walk| Path {
        name: format!("{}-{name}", B::NAME),
        operation,
        operations,
        probe: B::probe,
        walk,
    };
    vec![
        path("echo-borrowed", echo::ROUND_TRIP, echo::ROUND_TRIPS, echo::borrowed::<B>),
        path("echo-owned", echo::ROUND_TRIP, echo::ROUND_TRIPS, echo::owned::<B>),
        path("accept", meeting::ACCEPT, meeting::MEETINGS, meeting::accept::<B>),
        path("connect", meeting::CONNECT, meeting::MEETINGS, meeting::connect::<B>),
    ]
}
