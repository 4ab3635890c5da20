//! The owned path, and accept under pressure: cases 156 to 166 (rules S2, S7, L6).

use crate::case::{Case, cases};
use crate::fixture::Fixture;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;]
}
