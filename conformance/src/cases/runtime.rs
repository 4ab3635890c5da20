//! Runtimes and drivers: cases 146 to 155 (rules X1).

use crate::case::{Case, cases};
use crate::fixture::Fixture;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;]
}
