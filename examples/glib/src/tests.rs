//! What every form of nesting must show, of this one.

#[path = "../../../tests/embedding/checks.rs"]
mod checks;

use std::future::Future;
use std::pin::Pin;

use glib::MainContext;
use unix_transport::Driver;

use crate::Nested;

fn in_glib(driver: Box<dyn Driver>, task: Pin<Box<dyn Future<Output = ()>>>) {
    let nested = Nested::start(driver).expect("it can be nested");
    MainContext::default().block_on(task);
    nested.remove();
}

/// One after the other, because there is one default context.
#[test]
fn nested_in_glib() {
    for backend in ["epoll", "uring"] {
        checks::woken_from_another_thread(backend, in_glib);
        checks::woken_by_a_timer(backend, in_glib);
        checks::woken_by_completions(backend, in_glib);
        checks::serves_a_thousand(backend, in_glib);
    }
}
