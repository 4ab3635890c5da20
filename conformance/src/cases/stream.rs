//! Streams: cases 85 to 110 (rules S1 to S6).

use crate::case::{Case, cases};
use crate::fixture::Fixture;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;]
}
