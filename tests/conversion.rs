//! From a backend's connection to the synchronous face: what was received ahead is read first.
#![cfg(all(feature = "blocking", feature = "uring"))]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use unix_transport::{
    AdoptOptions, Backend, PollRead, Runtime, Settings, Transport, Uring, blocking,
};

#[test]
fn bytes_received_ahead_survive_the_conversion() {
    if !Uring::probe().is_yes() {
        eprintln!("SKIP io_uring is unavailable");
        return;
    }
    let mut runtime = Runtime::<Uring>::new(&Settings::default()).expect("it works");
    let (ours, mut peer) = UnixStream::pair().expect("a pair");
    let options = AdoptOptions::new();
    let mut connection =
        runtime.transport().adopt_connection(ours.into(), &options).expect("it is connected");
    let handle = runtime.handle();
    let converted = runtime.block_on(async {
        peer.write_all(b"first").expect("connected");
        assert_eq!(*connection.recv().await.expect("it comes"), *b"first");
        peer.write_all(b"ahead").expect("connected");
        // The receive goes on by itself, and takes the bytes from the kernel.
        handle.sleep(Duration::from_millis(5)).await;
        blocking::Connection::of(connection, &options).await.expect("it converts")
    });
    peer.write_all(b" and after").expect("connected");
    drop(peer);
    let mut received = String::new();
    (&converted).read_to_string(&mut received).expect("a whole stream");
    assert_eq!(received, "ahead and after");
}
