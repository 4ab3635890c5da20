//! The backlog: cases 44 to 57 (rules B6, C1).

use crate::case::{Case, cases};
use crate::fixture::Fixture;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;]
}
