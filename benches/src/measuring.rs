//! Measuring one cell: its servers started together, as many as may be alive at once, loaded in turn,
//! each counted once more under a tracer, and ended.
//!
//! Servers are new for every cell, so that none inherits memory from the one before, and have several
//! lives within it: where a process happens to lie in memory can make it several percent faster or
//! slower for as long as it lives. If they are many, they live in [heats]. A server that fails is
//! found and left out with its reason; the others are measured.

use std::cell;
use std::time::{Duration, Instant};

use command::failure::{Failure, Result};
use command::measure::{
    Cores, Interruption, LineUp, Measured, Plan, Server, Syscalls, Workload, limits, rotation,
    syscalls,
};

use crate::cells::Cell;
use crate::families;
use crate::heats;
use crate::results::{Absent, CellResult, Figure, Latency, ServerResult, control_of};
use crate::roster::{Member, Program};

/// How long system calls are counted for each server.
const COUNTING: Duration = Duration::from_millis(100);

/// How long a life of a heat is, about.
const LIFE: Duration = Duration::from_secs(3);

/// How many lives a heat has at least.
const LIVES: usize = 2;

/// With more connections there is one heat of all, with one life: opening them takes too long.
const CONNECTIONS_OF_HEATS: usize = 1000;

/// How many threads of a server are traced at most: with 10,000 a server seems to stand still.
const TRACED_THREADS: usize = 2000;

/// What all cells of a run share.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) cores: Cores,
    pub(crate) interruption: &'a Interruption,
    /// Whose second copy is the control.
    pub(crate) baseline: &'a str,
    /// How long a cell's load lasts.
    pub(crate) length: Duration,
    /// Whether system calls are counted, in a pass of their own.
    pub(crate) counts_syscalls: bool,
}

/// A server that can be started, with its load.
#[derive(Clone, Debug)]
struct Loaded {
    name: String,
    program: Program,
    workload: Workload,
}

impl Bench<'_> {
    /// Measures `cell` with those of `members` that can be, the baseline first and its control
    /// last. `peaks` is the result of the cell that a [share of the peak](Cell::needs_peak) is
    /// taken of. `advance` is told again and again which share of the cell is done.
    ///
    /// # Errors
    /// An interruption; a failure that no single server is the cause of.
    pub(crate) fn measure(
        &self,
        cell: &Cell,
        members: &[Member],
        peaks: Option<&CellResult>,
        advance: &dyn Fn(f64),
    ) -> Result<CellResult> {
        let begun = Instant::now();
        let mut absent = Vec::new();
        let mut present = self.loaded(cell, members, peaks, &mut absent);
        leave_out_threads(&mut present, &mut absent);
        let mut result = loop {
            if present.first().is_none_or(|first| first.name != self.baseline) {
                let reason = absent.iter().find(|absent| absent.server == self.baseline);
                let reason = reason.map_or("it is not there", |absent| &absent.reason);
                let reason = format!("without {} there is no baseline: {reason}", self.baseline);
                break CellResult::impossible(&cell.name, self.baseline, members, &reason);
            }
            let schedule = Schedule::of(&present, self.baseline, self.length);
            if let Err(reason) = limits::fits(present[0].workload, schedule.most_alive()) {
                break CellResult::impossible(&cell.name, self.baseline, members, &reason);
            }
            match self.run(&present, &schedule, advance) {
                Ok(servers) => {
                    break CellResult {
                        cell: cell.name.clone(),
                        baseline: self.baseline.to_owned(),
                        slice_seconds: schedule.slice().as_secs_f64(),
                        took_seconds: 0.0,
                        servers,
                        absent,
                    };
                }
                Err(failure) => {
                    self.interruption.check()?;
                    let Some(at) = present.iter().position(|one| is_of(&failure, &one.name)) else {
                        return Err(failure);
                    };
                    absent.push(left_out(&present.remove(at).name, &failure.to_string()));
                }
            }
        };
        result.took_seconds = begun.elapsed().as_secs_f64();
        Ok(result)
    }

    /// The members with their loads: the baseline first, and last, as far from it as can be, its
    /// second copy.
    fn loaded(
        &self,
        cell: &Cell,
        members: &[Member],
        peaks: Option<&CellResult>,
        absent: &mut Vec<Absent>,
    ) -> Vec<Loaded> {
        let baseline = members.iter().filter(|member| member.name == self.baseline);
        let others = members.iter().filter(|member| member.name != self.baseline);
        let control = baseline
            .clone()
            .map(|baseline| Member { name: control_of(self.baseline), ..baseline.clone() });
        let mut loaded = Vec::new();
        for member in baseline.chain(others).cloned().chain(control) {
            let peak = peaks.and_then(|peaks| peak(peaks, &member.name));
            let workload = cell.workload(peak.unwrap_or_default());
            match (member.program(workload.service()), peak) {
                (Err(reason), _) => absent.push(left_out(&member.name, reason)),
                (Ok(_), None) if cell.needs_peak() => {
                    absent.push(left_out(&member.name, "its peak was not measured"));
                }
                (Ok(program), _) => loaded.push(Loaded {
                    name: member.name.clone(),
                    program: program.clone(),
                    workload,
                }),
            }
        }
        loaded
    }

    /// One attempt with all of them.
    fn run(
        &self,
        members: &[Loaded],
        schedule: &Schedule,
        advance: &dyn Fn(f64),
    ) -> Result<Vec<ServerResult>> {
        // A step of counting is worth as much as a slice.
        let counting = if self.counts_syscalls { members.len() } else { 0 };
        let steps = (schedule.steps() + counting) as f64;
        let done = cell::Cell::new(0.0);
        let step = || {
            done.set(done.get() + 1.0);
            advance(done.get() / steps);
            self.interruption.check()
        };
        let mut results: Vec<Option<(Measured, Syscalls)>> = vec![None; members.len()];
        for (heat, plan) in schedule.lives() {
            let alive: Vec<&Loaded> = heat.iter().map(|at| &members[*at]).collect();
            let workloads: Vec<Workload> = alive.iter().map(|one| one.workload).collect();
            let entrants = alive.iter().map(|one| (one.name.clone(), one.program.command()));
            let mut line_up = LineUp::start(entrants, self.cores, self.interruption)?;
            let servers = line_up.servers_mut();
            let measured = rotation::measure_each(servers, &workloads, plan, step)?;
            for (turn, now) in measured.into_iter().enumerate() {
                match &mut results[heat[turn]] {
                    Some((all, _)) => all.append(now),
                    none => {
                        let syscalls = self.syscalls(&mut servers[turn], workloads[turn], &step)?;
                        *none = Some((now, syscalls));
                    }
                }
            }
        }
        let results = members.iter().zip(results);
        Ok(results.filter_map(|(member, result)| Some(member.result(result?))).collect())
    }

    fn syscalls(
        &self,
        server: &mut Server,
        workload: Workload,
        step: &dyn Fn() -> Result<()>,
    ) -> Result<Syscalls> {
        if !self.counts_syscalls {
            return Ok(Syscalls::Unavailable("not asked for".to_owned()));
        }
        let threads = families::has_thread_for_each(server.name());
        let counted = match threads && workload.connections() > TRACED_THREADS {
            true => {
                Syscalls::Unavailable("strace does not keep up with so many threads".to_owned())
            }
            // What cannot be counted is measured nevertheless.
            false => syscalls::per_message(server, workload, COUNTING)
                .unwrap_or_else(|failure| Syscalls::Unavailable(failure.to_string())),
        };
        step().map(|()| counted)
    }
}

/// Which servers are alive together, how often, and how long.
#[derive(Debug)]
struct Schedule {
    /// Places of servers, and for how long one life of them is measured.
    heats: Vec<(Vec<usize>, Plan)>,
    lives: usize,
}

impl Schedule {
    /// That of `members`, of which there is at least one, to be measured for `length` in all.
    fn of(members: &[Loaded], baseline: &str, length: Duration) -> Schedule {
        let is_large = |one: &Loaded| one.workload.connections() > CONNECTIONS_OF_HEATS;
        let names: Vec<&str> = members.iter().map(|one| one.name.as_str()).collect();
        let (heats, lives) = match members.iter().any(is_large) {
            true => (vec![(0..members.len()).collect()], 1),
            false => {
                let heats = heats::deal(&names, baseline);
                let lives = lives(length.div_f64(heats.len() as f64));
                (heats, lives)
            }
        };
        let share = length.div_f64((heats.len() * lives) as f64);
        let planned = |heat: Vec<usize>| {
            let plan = Plan::for_workload(members[heat[0]].workload, share, heat.len());
            (heat, plan)
        };
        Schedule { heats: heats.into_iter().map(planned).collect(), lives }
    }

    /// Every life, in order: who lives, and the plan, whose rotations have numbers of their own.
    fn lives(&self) -> impl Iterator<Item = (&[usize], Plan)> {
        let heats = std::iter::repeat_n(&self.heats, self.lives).flatten();
        heats.scan(0, |first, (heat, plan)| {
            let plan = Plan { first: *first, ..*plan };
            *first += plan.rotations;
            Some((heat.as_slice(), plan))
        })
    }

    /// How many servers are alive at once, at most.
    fn most_alive(&self) -> usize {
        self.heats.iter().map(|(heat, _)| heat.len()).max().unwrap_or_default()
    }

    /// How long the longest slice is.
    fn slice(&self) -> Duration {
        self.heats.iter().map(|(_, plan)| plan.slice).max().unwrap_or_default()
    }

    /// How many steps all lives have, for a progress bar.
    fn steps(&self) -> usize {
        self.heats.iter().map(|(heat, plan)| self.lives * plan.steps(heat.len())).sum()
    }
}

impl Loaded {
    fn result(&self, (measured, syscalls): (Measured, Syscalls)) -> ServerResult {
        ServerResult {
            name: self.name.clone(),
            workload: self.workload,
            latency: Latency::of(&measured.latencies),
            slices: measured.slices,
            memory: measured.memory,
            times: measured.times,
            syscalls,
        }
    }
}

/// How often a heat that is measured for `length` in all is started, each time for an equal share.
fn lives(length: Duration) -> usize {
    (length.div_duration_f64(LIFE).round() as usize).max(LIVES)
}

/// Whether a failure is that of one server: those begin with its name.
fn is_of(failure: &Failure, server: &str) -> bool {
    let said = failure.to_string();
    ["server", "start the server"]
        .iter()
        .any(|verb| said.starts_with(&format!("{verb} {server}: ")))
}

/// Takes out the servers that would need more threads than there can be.
fn leave_out_threads(present: &mut Vec<Loaded>, absent: &mut Vec<Absent>) {
    let threaded = |one: &Loaded| families::has_thread_for_each(&one.name);
    let count = present.iter().filter(|one| threaded(one)).count();
    let Some(workload) = present.first().map(|one| one.workload) else { return };
    if let Err(reason) = limits::threads_fit(workload, count) {
        absent.extend(
            present.iter().filter(|one| threaded(one)).map(|one| left_out(&one.name, &reason)),
        );
        present.retain(|one| !threaded(one));
    }
}

/// How many messages per second a server echoed when it had as many as it could take.
fn peak(peaks: &CellResult, name: &str) -> Option<f64> {
    Some(Figure::Throughput.quartiles(peaks.server(name)?)?.median)
}

fn left_out(name: &str, reason: &str) -> Absent {
    Absent { server: name.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_measured_longer_lives_more_often() {
        let of = |seconds| lives(Duration::from_secs(seconds));
        // A cell of 45 seconds in four heats, and in one; a short trial; a close look.
        assert_eq!([11, 45, 1, 150].map(of), [4, 15, 2, 50]);
    }
}
