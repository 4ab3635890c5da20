//! Credentials: cases 127 to 130 (rules K1).

use crate::case::{Case, cases};
use crate::fixture::Fixture;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;]
}
