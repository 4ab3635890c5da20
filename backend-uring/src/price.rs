//! What a system call costs here. A send through the ring saves one, at the price of an entry and of
//! what the kernel does about each request; on some machines that is the better bargain, on others
//! the system call (ADR 0023). So the cheaper one is chosen by trying, as the kernel itself chooses
//! among its checksums.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::unistd::getppid;

/// What a queued send costs beside its work, about: where a system call is cheaper, it is made. (Half
/// way between the machines that were measured, whose calls vary by a quarter.)
const QUEUED_SEND: Duration = Duration::from_nanos(155);

/// How many calls are timed together, and how often: what interrupts some of the rounds does not
/// interrupt all.
const CALLS: u32 = 32;
const ROUNDS: usize = 8;

/// Whether a system call is cheaper here than a queued send. Tried once in each process, which takes
/// less than 0.1 ms, and some where calls are traced or emulated. A processor that just woke to a
/// fraction of its clock may count as one whose calls are dear: `Settings::direct_sends` decides then.
pub(crate) fn system_calls_are_cheap() -> bool {
    static ARE: OnceLock<bool> = OnceLock::new();
    *ARE.get_or_init(|| system_call() < QUEUED_SEND)
}

fn system_call() -> Duration {
    let round = || {
        let begun = Instant::now();
        for _ in 0..CALLS {
            black_box(getppid());
        }
        begun.elapsed() / CALLS
    };
    (0..ROUNDS).map(|_| round()).min().unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_some_time_and_the_answer_stays() {
        let taken = system_call();
        assert!(!taken.is_zero() && taken < Duration::from_millis(1), "{taken:?}");
        assert_eq!(system_calls_are_cheap(), system_calls_are_cheap());
    }
}
