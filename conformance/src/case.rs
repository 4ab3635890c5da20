//! A case: one rule, checked once. Its number and name are stable.

use std::ops::BitOr;

use crate::context::Context;
use crate::fixture::{Capabilities, Fixture};

/// One rule and the function that checks it.
pub struct Case<F: Fixture> {
    /// The stable number, from `docs/semantics.md`.
    pub id: u16,
    /// The stable name: `stale_replaced`.
    pub name: &'static str,
    /// Without which the case does not apply, and how it wants to run.
    pub needs: Needs,
    /// Panics if the rule is broken.
    pub run: fn(&mut Context<F>) -> Outcome,
}

impl<F: Fixture> Case<F> {
    /// What the test is called after its fixture: `117_stale_replaced`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{:03}_{}", self.id, self.name)
    }
}

/// What a case needs of the fixture and of the runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Without these the case does not apply.
    pub capabilities: Capabilities,
    /// Whether no other case may run meanwhile, because this one measures time or processor use.
    pub alone: bool,
}

impl Needs {
    /// Nothing.
    pub const NOTHING: Needs = Needs { capabilities: Capabilities::NONE, alone: false };
    /// No other case beside it.
    pub const ALONE: Needs = Needs { capabilities: Capabilities::NONE, alone: true };
    /// [`Capabilities::CONCURRENT`].
    pub const CONCURRENT: Needs = Needs::of(Capabilities::CONCURRENT);
    /// [`Capabilities::NESTED`].
    pub const NESTED: Needs = Needs::of(Capabilities::NESTED);
    /// [`Capabilities::OWNED_BY_COMPLETION`].
    pub const OWNED_BY_COMPLETION: Needs = Needs::of(Capabilities::OWNED_BY_COMPLETION);
    /// [`Capabilities::DESCRIPTORS`].
    pub const DESCRIPTORS: Needs = Needs::of(Capabilities::DESCRIPTORS);
    /// [`Capabilities::SHARED_LISTENERS`].
    pub const SHARED_LISTENERS: Needs = Needs::of(Capabilities::SHARED_LISTENERS);
    /// [`Capabilities::DRIVEN`].
    pub const DRIVEN: Needs = Needs::of(Capabilities::DRIVEN);

    const fn of(capabilities: Capabilities) -> Needs {
        Needs { capabilities, alone: false }
    }
}

impl BitOr for Needs {
    type Output = Needs;

    fn bitor(self, others: Needs) -> Needs {
        Needs {
            capabilities: self.capabilities | others.capabilities,
            alone: self.alone || others.alone,
        }
    }
}

/// How a case ended that did not panic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The rule holds.
    Pass,
    /// It could not be checked here. The reason says what to install or which right is missing.
    Skip(String),
}

impl Outcome {
    /// A skip with its reason: what to install, or which right is missing.
    pub fn skip(reason: impl Into<String>) -> Outcome {
        Outcome::Skip(reason.into())
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Outcome {
        Outcome::Pass
    }
}

/// A list of cases: `cases![F; 27 missing, 52 cancelled needs CONCURRENT | ALONE]`, where each name
/// is a function `fn missing<F: Fixture>(cx: &mut Context<F>)` that answers nothing or an
/// [`Outcome`], and the needs are constants of [`Needs`].
macro_rules! cases {
    ($fixture:ident; $($id:literal $name:ident $(needs $($need:ident)|+)?),* $(,)?) => {
        vec![$($crate::Case::<$fixture> {
            id: $id,
            name: stringify!($name),
            needs: $crate::Needs::NOTHING $($(| $crate::Needs::$need)+)?,
            run: |cx| $crate::Outcome::from($name::<$fixture>(cx)),
        }),*]
    };
}

pub(crate) use cases;
