//! Connecting and how it fails: cases 27 to 43 (rule C2).

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use socket2::Type;
use transport_core::{Address, Cause, ConnectOptions, ListenOptions, Transport};

use crate::case::{Case, cases};
use crate::context::Context;
use crate::fixture::Fixture;
use crate::host;
use crate::oracle;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        27 missing,
        28 stale,
        29 regular_file,
        30 directory,
        31 bound_not_listening,
        32 datagram_server,
        33 seqpacket_server,
        34 mode_without_write,
        35 mode_0222_works,
        36 directory_without_search,
        37 not_a_directory,
        38 symlink_loop,
        39 dangling_symlink,
        40 through_a_symlink,
        41 through_a_hard_link,
        42 after_rename,
        43 errno_kept_after_cleanup,
    ]
}

/// Connecting fails with this kind and errno, and says what was tried and where.
fn fails<F: Fixture>(cx: &Context<F>, address: &Address, kind: ErrorKind, errno: i32) {
    let error = cx.connect_error(address);
    assert_eq!((error.kind(), error.raw_os_error()), (kind, Some(errno)), "{error}");
    assert_eq!(error.operation(), "connect to");
    assert_eq!(error.address(), Some(address));
    let text = error.to_string();
    assert!(text.contains(&address.to_string()), "the message names the address: {text}");
    assert!(!text.contains('\n'), "the message is one line: {text:?}");
    assert_eq!(io::Error::from(error).kind(), kind, "the kind survives as an io::Error");
}

fn missing<F: Fixture>(cx: &mut Context<F>) {
    fails(cx, &cx.address("missing"), ErrorKind::NotFound, libc::ENOENT);
    fails(cx, &cx.address("no/such/directory"), ErrorKind::NotFound, libc::ENOENT);
    fails(cx, &cx.abstract_address("missing"), ErrorKind::ConnectionRefused, libc::ECONNREFUSED);
    assert!(cx.files().is_empty(), "connecting makes no file");
}

fn stale<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("stale");
    oracle::leave_stale(&address);
    fails(cx, &address, ErrorKind::ConnectionRefused, libc::ECONNREFUSED);
}

fn regular_file<F: Fixture>(cx: &mut Context<F>) {
    fs::write(cx.path("file"), "content").expect("it can be written");
    fails(cx, &cx.address("file"), ErrorKind::ConnectionRefused, libc::ECONNREFUSED);
    assert_eq!(fs::read(cx.path("file")).expect("it is still there"), b"content");
}

fn directory<F: Fixture>(cx: &mut Context<F>) {
    fs::create_dir(cx.path("directory")).expect("it can be made");
    fails(cx, &cx.address("directory"), ErrorKind::ConnectionRefused, libc::ECONNREFUSED);
}

fn bound_not_listening<F: Fixture>(cx: &mut Context<F>) {
    let _bound = oracle::bind(&cx.address("bound"), Type::STREAM);
    fails(cx, &cx.address("bound"), ErrorKind::ConnectionRefused, libc::ECONNREFUSED);
}

fn datagram_server<F: Fixture>(cx: &mut Context<F>) {
    let _server = oracle::bind(&cx.address("datagram"), Type::DGRAM);
    wrong_type(cx, &cx.address("datagram"));
}

fn seqpacket_server<F: Fixture>(cx: &mut Context<F>) {
    let server = oracle::bind(&cx.address("seqpacket"), Type::SEQPACKET);
    server.listen(1).expect("it is bound");
    wrong_type(cx, &cx.address("seqpacket"));
}

fn wrong_type<F: Fixture>(cx: &Context<F>, address: &Address) {
    fails(cx, address, ErrorKind::InvalidInput, libc::EPROTOTYPE);
    let error = cx.connect_error(address);
    assert!(matches!(error.cause(), Cause::WrongSocketType), "the cause has a name: {error:?}");
}

fn mode_without_write<F: Fixture>(cx: &mut Context<F>) {
    let _listener = listen_with_mode(cx, 0o000);
    host::become_unprivileged();
    fails(cx, &cx.address("s"), ErrorKind::PermissionDenied, libc::EACCES);
}

fn mode_0222_works<F: Fixture>(cx: &mut Context<F>) {
    let listener = listen_with_mode(cx, 0o222);
    host::become_unprivileged();
    connects(cx, &cx.address("s"), &listener);
}

/// The oracle listens, with a socket file of this mode in a directory that everyone may search.
fn listen_with_mode<F: Fixture>(cx: &Context<F>, mode: u32) -> std::os::unix::net::UnixListener {
    let listener = oracle::listen(&cx.address("s"));
    set_mode(&cx.path("s"), mode);
    set_mode(cx.directory(), 0o755);
    listener
}

fn directory_without_search<F: Fixture>(cx: &mut Context<F>) {
    fs::create_dir(cx.path("closed")).expect("it can be made");
    let _listener = oracle::listen(&cx.address("closed/s"));
    set_mode(&cx.path("closed/s"), 0o777);
    set_mode(&cx.path("closed"), 0o600);
    set_mode(cx.directory(), 0o755);
    host::become_unprivileged();
    fails(cx, &cx.address("closed/s"), ErrorKind::PermissionDenied, libc::EACCES);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the case made it");
}

fn not_a_directory<F: Fixture>(cx: &mut Context<F>) {
    fs::write(cx.path("file"), "").expect("it can be written");
    fails(cx, &cx.address("file/s"), ErrorKind::NotADirectory, libc::ENOTDIR);
}

fn symlink_loop<F: Fixture>(cx: &mut Context<F>) {
    symlink("loop", cx.path("loop")).expect("it can be made");
    let error = cx.connect_error(&cx.address("loop"));
    // The kind for ELOOP has no stable name.
    assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
}

fn dangling_symlink<F: Fixture>(cx: &mut Context<F>) {
    symlink("nowhere", cx.path("dangling")).expect("it can be made");
    fails(cx, &cx.address("dangling"), ErrorKind::NotFound, libc::ENOENT);
}

fn through_a_symlink<F: Fixture>(cx: &mut Context<F>) {
    let listener = oracle::listen(&cx.address("s"));
    symlink("s", cx.path("link")).expect("it can be made");
    connects(cx, &cx.address("link"), &listener);
}

fn through_a_hard_link<F: Fixture>(cx: &mut Context<F>) {
    let listener = oracle::listen(&cx.address("s"));
    fs::hard_link(cx.path("s"), cx.path("link")).expect("it can be made");
    connects(cx, &cx.address("link"), &listener);
}

fn after_rename<F: Fixture>(cx: &mut Context<F>) {
    let listener = oracle::listen(&cx.address("before"));
    fs::rename(cx.path("before"), cx.path("after")).expect("it is there");
    connects(cx, &cx.address("after"), &listener);
    fails(cx, &cx.address("before"), ErrorKind::NotFound, libc::ENOENT);
}

fn connects<F: Fixture>(
    cx: &Context<F>,
    to: &Address,
    listener: &std::os::unix::net::UnixListener,
) {
    cx.run(async |transport| {
        let mut client = transport
            .connect(to, &ConnectOptions::new())
            .await
            .unwrap_or_else(|error| panic!("this must work: {error}"));
        let (mut server, _) = listener.accept().expect("the backend waits in the queue");
        oracle::exchange(&mut client, &mut server).await;
    });
}

/// Each failure is followed by closing a descriptor, and perhaps by removing a file; both could
/// replace the errno of the call that failed.
fn errno_kept_after_cleanup<F: Fixture>(cx: &mut Context<F>) {
    let (free, taken) = (cx.address("free"), cx.address("taken"));
    let _listener = oracle::listen(&taken);
    let options = ListenOptions::new();
    assert_eq!(cx.listen_error(&taken, &options).raw_os_error(), Some(libc::EADDRINUSE));
    let nowhere = cx.address("no/such/directory");
    assert_eq!(cx.listen_error(&nowhere, &options).raw_os_error(), Some(libc::ENOENT));
    cx.run(async |transport| {
        let connected = host::without_spare_descriptors(|| {
            let listening = transport.listen(&free, &options);
            let errno = listening.err().expect("there is no descriptor").raw_os_error();
            assert_eq!(errno, Some(libc::EMFILE));
            futures_lite::future::block_on(transport.connect(&taken, &ConnectOptions::new()))
        });
        let error = connected.err().expect("there is no descriptor");
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
    });
    assert!(!cx.path("free").exists(), "the failed listen left no file");
}
