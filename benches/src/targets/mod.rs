//! What the figures must be, and whether those of a run are.
//!
//! A figure is judged with the noise of its own cell: "at least x" is missed only by what lies
//! below x by more than half the spread of the control, which is the baseline's second copy
//! compared to the baseline.

mod judging;
mod limits;
mod list;

pub(crate) use judging::{Judgement, Summary, judge, summaries};
pub(crate) use limits::{LIMITS, LIMITS_EXPLAINED};
