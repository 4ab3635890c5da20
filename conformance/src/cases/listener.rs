//! Listeners: cases 59 to 84 (rules B1, B5, B7, L1 to L5).

use crate::case::{Case, cases};
use crate::fixture::Fixture;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;]
}
