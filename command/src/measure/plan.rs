//! How long to measure one workload, and in which pieces.

use std::time::Duration;

use super::workload::Workload;

/// How long to measure one workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How long one server is loaded at a time.
    pub slice: Duration,
    /// How often each server has its turn.
    pub rotations: usize,
    /// How many rotations come before, and do not count.
    pub warm_up: usize,
    /// The number of the first rotation that counts.
    pub first: usize,
}

impl Plan {
    /// A slice: long enough for a thousand round trips, short against the machine's drift.
    pub const SLICE: Duration = Duration::from_millis(50);

    /// The shortest slice, where time is too short for many rotations.
    const SHORTEST: Duration = Duration::from_millis(20);

    /// How many rotations are worth shorter slices: fewer give rough quartiles.
    const ROTATIONS: f64 = 10.0;

    /// How much longer a slice is for each connection that it uses: time for several round trips
    /// of each, so that the first ones, which all begin at once, are not all that there is.
    const PER_CONNECTION: Duration = Duration::from_micros(20);

    /// As many rotations of [`Plan::SLICE`] as fit into `total` with this many servers: one to warm
    /// up, and the time of another to open connections.
    #[must_use]
    pub fn within(total: Duration, servers: usize) -> Plan {
        Plan::of_slices(Plan::SLICE, total, servers)
    }

    /// The same with slices that suit the workload: 20 to 50 ms, and longer for thousands of
    /// connections. At least one rotation counts, even if `total` is too short for it.
    #[must_use]
    pub fn for_workload(workload: Workload, total: Duration, servers: usize) -> Plan {
        let fitting = total.div_f64(Plan::ROTATIONS * servers.max(1) as f64);
        let connections = u32::try_from(workload.active_connections()).unwrap_or(u32::MAX);
        let slice = fitting.clamp(Plan::SHORTEST, Plan::SLICE);
        Plan::of_slices(slice.max(Plan::PER_CONNECTION * connections), total, servers)
    }

    fn of_slices(slice: Duration, total: Duration, servers: usize) -> Plan {
        let rotation = slice.as_secs_f64() * servers.max(1) as f64;
        // Rounds down: the whole must not take longer.
        let fitting = (total.as_secs_f64() / rotation) as usize;
        Plan { slice, rotations: fitting.saturating_sub(2).max(1), warm_up: 1, first: 0 }
    }

    /// How many steps a measurement has, for a progress bar: opening each server's connections,
    /// and its slices.
    #[must_use]
    pub fn steps(&self, servers: usize) -> usize {
        (1 + self.rotations + self.warm_up) * servers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_suit_the_workload() {
        let slice = |connections, seconds| {
            let workload = Workload::PingPong { connections, message_bytes: 64, depth: 1 };
            let plan = Plan::for_workload(workload, Duration::from_secs(seconds), 10);
            let took = plan.slice * u32::try_from(plan.steps(10)).expect("few");
            assert!(took <= Duration::from_secs(seconds), "{plan:?}");
            plan.slice.as_millis()
        };
        assert_eq!(slice(128, 60), 50);
        assert_eq!(slice(128, 3), 30);
        assert_eq!(slice(128, 1), 20);
        assert_eq!(slice(10_000, 60), 200);
        let idle = Workload::Idle { idle: 10_000, active: 16, message_bytes: 64 };
        assert_eq!(Plan::for_workload(idle, Duration::from_secs(60), 10).slice, Plan::SLICE);
    }

    #[test]
    fn one_rotation_counts_however_short_the_time() {
        assert_eq!(Plan::within(Duration::ZERO, 3).rotations, 1);
    }
}
