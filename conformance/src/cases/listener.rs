//! A listener and its file, from bind to close: cases 59 to 65 and 79 to 84 (rules B1, B5, B7, L3).

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::Duration;

use transport_core::{
    AdoptOptions, Cleanup, ConnectOptions, ListenOptions, Listener, PollRead, PollWrite, Transport,
    is_closed,
};

use crate::case::{Case, cases};
use crate::context::Context;
use crate::fixture::Fixture;
use crate::host;
use crate::oracle;
use crate::steps::is_socket;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        59 address_in_use_by_live_listener,
        60 address_in_use_by_stale_file,
        61 failed_listen_leaves_no_file,
        62 close_keeps_the_file,
        63 close_removes_the_file,
        64 close_twice,
        65 accept_after_close,
        79 unlink_while_serving,
        80 successors_file_survives,
        81 replaced_regular_file_survives,
        82 inherited_descriptor,
        83 dropped_runtime_closes_listeners needs DRIVEN,
        84 dropped_runtime_gives_errors needs DRIVEN,
    ]
}

fn removing() -> ListenOptions {
    ListenOptions::new().cleanup(Cleanup::Remove)
}

fn address_in_use_by_live_listener<F: Fixture>(cx: &mut Context<F>) {
    for address in [cx.address("s"), cx.abstract_address("s")] {
        cx.run(async |transport| {
            let mut listener =
                transport.listen(&address, &ListenOptions::new()).expect("it is free");
            for _ in 0..3 {
                let second = transport.listen(&address, &ListenOptions::new());
                let error = second.err().expect("the address is taken");
                assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
                assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
                assert!(error.to_string().contains("address in use"), "{error}");
            }
            // The failed attempts neither broke the first listener nor left a client in its queue.
            let mut client = oracle::connect(&address).expect("it still listens");
            let (mut server, _) = listener.accept().await.expect("a client waits");
            oracle::exchange(&mut server, &mut client).await;
        });
    }
}

/// Whatever is at the path stays as it is.
fn address_in_use_by_stale_file<F: Fixture>(cx: &mut Context<F>) {
    oracle::leave_stale(&cx.address("stale"));
    fs::write(cx.path("file"), "content").expect("it can be written");
    fs::create_dir(cx.path("directory")).expect("it can be made");
    symlink("nowhere", cx.path("dangling")).expect("it can be made");
    symlink("stale", cx.path("link")).expect("it can be made");
    let before = identities(cx);
    for name in ["stale", "file", "directory", "dangling", "link"] {
        for options in [ListenOptions::new(), removing()] {
            let error = cx.listen_error(&cx.address(name), &options);
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{name}: {error}");
        }
    }
    assert_eq!(identities(cx), before, "nothing was removed, made or replaced");
}

fn identities<F: Fixture>(cx: &Context<F>) -> Vec<(std::ffi::OsString, u64)> {
    let inode = |path: &Path| path.symlink_metadata().expect("it is listed").ino();
    cx.files().into_iter().map(|name| (name.clone(), inode(&cx.directory().join(name)))).collect()
}

/// With few descriptors to spare, listening fails at one step or another after the file was made:
/// here a mode that the umask cuts must be widened through a descriptor of the file.
fn failed_listen_leaves_no_file<F: Fixture>(cx: &mut Context<F>) {
    host::set_umask(0o077);
    let address = cx.address("s");
    let options = ListenOptions::new().mode(0o666);
    cx.run(async |transport| {
        let mut failed = 0;
        for spare in 0..12 {
            let listening =
                host::with_spare_descriptors(spare, || transport.listen(&address, &options));
            match listening {
                Ok(listener) => {
                    drop(listener);
                    fs::remove_file(cx.path("s")).expect("a listen that worked made the file");
                }
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{spare}: {error}");
                    assert!(cx.files().is_empty(), "{spare} descriptors to spare: the file stayed");
                    failed += 1;
                }
            }
        }
        assert!((1..12).contains(&failed), "it fails with no descriptor, and works with enough");
    });
}

fn close_keeps_the_file<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        listener.closer().close();
        drop(listener);
    });
    assert!(is_socket(&cx.path("s")), "the default keeps the file");
    let refused = oracle::connect(&address).err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::ConnectionRefused), "and nobody listens");
}

fn close_removes_the_file<F: Fixture>(cx: &mut Context<F>) {
    cx.run(async |transport| {
        let listener = transport.listen(&cx.address("a"), &removing()).expect("it is free");
        assert!(is_socket(&cx.path("a")));
        listener.closer().close();
        assert!(
            !cx.path("a").exists(),
            "closing removes the file, though the handle is still there"
        );
        let listener = transport.listen(&cx.address("b"), &removing()).expect("it is free");
        drop(listener);
        assert!(!cx.path("b").exists(), "dropping removes the file");
    });
}

fn close_twice<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let listener = transport.listen(&address, &removing()).expect("it is free");
        let closer = listener.closer();
        closer.close();
        assert!(closer.is_closed());
        let _successor = oracle::listen(&address);
        closer.close();
        drop(listener);
        closer.close();
        assert!(closer.is_closed());
        assert!(oracle::connect(&address).is_ok(), "closing again does not touch the successor");
    });
}

fn accept_after_close<F: Fixture>(cx: &mut Context<F>) {
    cx.run(async |transport| {
        let listening = transport.listen(&cx.address("s"), &ListenOptions::new());
        let mut listener = listening.expect("it is free");
        let _client = oracle::connect(&cx.address("s")).expect("it listens");
        listener.closer().close();
        for _ in 0..2 {
            let error = listener.accept().await.err().expect("a closed listener gives nothing");
            assert!(is_closed(&error), "{error}");
            assert_eq!(error.kind(), ErrorKind::NotConnected);
        }
    });
}

fn unlink_while_serving<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, &removing()).expect("it is free");
        let mut client = oracle::connect(&address).expect("it listens");
        let (mut server, _) = listener.accept().await.expect("a client waits");
        let mut queued = oracle::connect(&address).expect("it listens");
        fs::remove_file(cx.path("s")).expect("it is there");
        oracle::exchange(&mut server, &mut client).await;
        let (mut server, _) = listener.accept().await.expect("a client waits");
        oracle::exchange(&mut server, &mut queued).await;
    });
    assert!(cx.files().is_empty());
}

fn successors_file_survives<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let old = transport.listen(&address, &removing()).expect("it is free");
        fs::remove_file(cx.path("s")).expect("it is there");
        let mut new = transport.listen(&address, &removing()).expect("it is free again");
        drop(old);
        let mut client = oracle::connect(&address).expect("the successor's file is still there");
        let (mut server, _) = new.accept().await.expect("a client waits");
        oracle::exchange(&mut server, &mut client).await;
    });
    assert!(cx.files().is_empty(), "the successor removed its own file");
}

fn replaced_regular_file_survives<F: Fixture>(cx: &mut Context<F>) {
    cx.run(async |transport| {
        let listener = transport.listen(&cx.address("s"), &removing()).expect("it is free");
        fs::remove_file(cx.path("s")).expect("it is there");
        fs::write(cx.path("s"), "content").expect("it can be written");
        listener.closer().close();
    });
    assert_eq!(fs::read(cx.path("s")).expect("it is still there"), b"content");
}

fn inherited_descriptor<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    let original = oracle::listen(&address);
    let inherited = OwnedFd::from(original.try_clone().expect("there are descriptors left"));
    cx.run(async |transport| {
        let options = AdoptOptions::new();
        let mut listener = transport.adopt_listener(inherited, &options).expect("it listens");
        assert_eq!(listener.local_address(), &address, "its name is a legal address");
        let mut client = oracle::connect(&address).expect("it listens");
        let (mut server, _) = listener.accept().await.expect("a client waits");
        oracle::exchange(&mut server, &mut client).await;
        listener.closer().close();
        let error = listener.accept().await.err().expect("this handle is closed");
        assert!(is_closed(&error), "{error}");
        drop(listener);
        refuses_to_adopt(cx, &transport);
    });
    assert!(is_socket(&cx.path("s")), "the file stays");
    let mut client = oracle::connect(&address).expect("whoever shares the listener still listens");
    original.set_nonblocking(false).expect("it is a socket");
    drop(original.accept().expect("the client waits"));
    assert_eq!(client.read(&mut [0; 1]).expect("the end is clean"), 0);
}

fn refuses_to_adopt<F: Fixture>(cx: &Context<F>, transport: &impl Transport) {
    let options = AdoptOptions::new();
    let file = fs::File::create(cx.path("file")).expect("it can be made");
    let bound = oracle::bind(&cx.address("bound"), socket2::Type::STREAM);
    for wrong in [OwnedFd::from(file), OwnedFd::from(bound)] {
        let error = transport.adopt_listener(wrong, &options).err().expect("it does not listen");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let listening = OwnedFd::from(oracle::listen(&cx.address("listening")));
    let error = transport.adopt_connection(listening, &options).err().expect("it is no connection");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

fn dropped_runtime_closes_listeners<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    let mut runtime = cx.runtime();
    let listener = runtime.transport().listen(&address, &removing()).expect("it is free");
    runtime.block_on(runtime_turns(&runtime.handle()));
    let mut client = oracle::connect(&address).expect("it listens");
    drop(runtime);
    assert!(listener.closer().is_closed(), "its driver is gone");
    assert!(!cx.path("s").exists(), "the file goes as at any close");
    let reset = client.read(&mut [0; 1]).err().map(|error| error.kind());
    assert_eq!(reset, Some(ErrorKind::ConnectionReset), "a waiting client is told");
}

/// Lets the driver see everything that was registered.
async fn runtime_turns(handle: &transport_core::runtime::Handle) {
    for _ in 0..3 {
        handle.sleep(Duration::from_millis(1)).await;
    }
}

fn dropped_runtime_gives_errors<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    let mut runtime = cx.runtime();
    let transport = runtime.transport().clone();
    let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
    let (mut one, _other) = transport.pair(&AdoptOptions::new()).expect("a pair needs nothing");
    runtime.block_on(runtime_turns(&runtime.handle()));
    drop(runtime);
    let late = cx.address("late");
    futures_lite::future::block_on(async {
        let gone = Some(ErrorKind::NotConnected);
        let mut buf = [0; 8];
        assert_eq!(listener.accept().await.err().map(|e| e.kind()), gone, "accept");
        assert_eq!(one.read(&mut buf).await.err().map(|e| e.kind()), gone, "read");
        assert_eq!(one.recv().await.err().map(|e| e.kind()), gone, "recv");
        let other = transport.share_listener(&listener);
        assert_eq!(other.err().map(|e| e.kind()), gone, "share_listener");
        let listening = transport.listen(&late, &ListenOptions::new());
        assert_eq!(listening.err().map(|e| e.kind()), gone, "listen");
        let server = oracle::listen(&cx.address("server"));
        let connected = transport.connect(&cx.address("server"), &ConnectOptions::new()).await;
        assert_eq!(connected.err().map(|e| e.kind()), gone, "connect");
        drop(server);
        // Writing needs no driver until it must wait; then it must not wait for ever.
        let written = async { while one.write(&[0; 65536]).await.is_ok() {} };
        written.await;
    });
    assert!(!cx.path("late").exists(), "the failed listen left no file");
}
