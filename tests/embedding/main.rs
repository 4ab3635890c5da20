//! Living inside another loop: every form of nesting, and what hosts may do wrong.

mod bad_hosts;
mod checks;
mod forms;
mod lost_descriptor;

/// Each check with each form, on the backends that can be nested.
macro_rules! check {
    ($($form:ident),+) => { $(mod $form {
        use crate::{checks, forms};

        check!(@ $form woken_from_another_thread woken_by_a_timer woken_by_completions
            serves_a_thousand);
    })+ };
    (@ $form:ident $($check:ident)+) => { $(
        #[test]
        fn $check() {
            for backend in ["epoll", "uring"] {
                checks::$check(backend, forms::$form);
            }
        }
    )+ };
}

check!(
    epoll_level_triggered,
    epoll_edge_triggered,
    tokio_one_thread,
    tokio_many_threads,
    tokio_local_set,
    calloop
);
