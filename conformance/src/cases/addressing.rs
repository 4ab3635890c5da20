//! Addressing: cases 1 to 26 (rules A1 to A7).

use std::io::ErrorKind;

use transport_core::{ConnectOptions, Transport};

use crate::case::{Case, cases};
use crate::context::Context;
use crate::fixture::Fixture;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F; 27 missing, 28 missing_concurrent needs CONCURRENT | ALONE]
}

fn missing<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("missing");
    cx.run(async |transport| {
        let error = transport
            .connect(&address, &ConnectOptions::new())
            .await
            .err()
            .expect("nobody listens");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}
fn missing_concurrent<F: Fixture>(cx: &mut Context<F>) {
    missing(cx)
}
