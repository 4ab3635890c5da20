//! Case 0: what a fixture does not declare must be refused, and not half there.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;

use transport_core::{
    AdoptOptions, Descriptors, Driver, ListenOptions, PollRead, PollWrite, Transport,
};

use crate::case::{Case, cases};
use crate::context::Context;
use crate::fixture::{Capabilities, Fixture};

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F; 0 undeclared_capabilities_are_refused]
}

fn undeclared_capabilities_are_refused<F: Fixture>(cx: &mut Context<F>) {
    let is_undeclared = |capability| !F::capabilities().contains(capability);
    if is_undeclared(Capabilities::NESTED) {
        let (_, driver) = cx.open();
        assert!(driver.wait_fd().is_none(), "a descriptor to wait for promises to be nestable");
    }
    if is_undeclared(Capabilities::DESCRIPTORS) {
        refuses_descriptors(cx);
    }
    if is_undeclared(Capabilities::SHARED_LISTENERS) {
        cx.run(async |transport| {
            let listening = transport.listen(&cx.address("s"), &ListenOptions::new());
            let shared = transport.share_listener(&listening.expect("the address is free"));
            assert_eq!(shared.err().map(|error| error.kind()), Some(ErrorKind::Unsupported));
        });
    }
    if is_undeclared(Capabilities::OWNED_BY_COMPLETION) {
        cx.run(async |transport| {
            let pair = transport.pair(&AdoptOptions::new());
            let (mut one, mut other) = pair.expect("a pair needs nothing");
            one.write_all(b"owned").await.expect("it is connected");
            let chunk = other.recv().await.expect("it was written");
            let is_lent = F::is_ring_memory(&transport, &chunk);
            assert_ne!(is_lent, Some(true), "a chunk of the backend's own promises completion");
        });
    }
}

fn refuses_descriptors<F: Fixture>(cx: &Context<F>) {
    let options = AdoptOptions::new().descriptors(Descriptors::Accept { limit: 1 });
    let file = File::open("/dev/null").expect("every system has it");
    cx.run(async |transport| {
        let (mut one, mut other) = transport.pair(&options).expect("a pair needs nothing");
        let unsupported = Some(ErrorKind::Unsupported);
        let sent = one.write_descriptors(b"x", &[file.as_fd()]).await;
        assert_eq!(sent.err().map(|error| error.kind()), unsupported, "sending");
        one.write_all(b"x").await.expect("plain bytes go through");
        let received = other.read_descriptors(&mut [0; 1]).await;
        assert_eq!(received.err().map(|error| error.kind()), unsupported, "receiving");
    });
}
