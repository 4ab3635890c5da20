//! Who may connect: modes and parent directories: cases 111 to 116 (rules A4, B3, B4).

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use transport_core::{Cause, Cleanup, ListenOptions, Transport};

use crate::case::{Case, cases};
use crate::context::Context;
use crate::fixture::Fixture;
use crate::host;
use crate::oracle;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        111 default_mode_0600,
        112 wider_modes_exact,
        113 umask_untouched,
        114 never_wider,
        115 mode_on_abstract_name_refused,
        116 parent_directory_checks,
    ]
}

fn mode_of(path: &Path) -> u32 {
    path.symlink_metadata().expect("it is there").permissions().mode() & 0o7777
}

/// Listens, looks at the mode of the file, and removes it again.
fn mode_after_listen<F: Fixture>(cx: &Context<F>, options: &ListenOptions) -> u32 {
    cx.run(async |transport| {
        let options = options.clone().cleanup(Cleanup::Remove);
        let _listener = transport.listen(&cx.address("s"), &options).expect("the name is free");
        mode_of(&cx.path("s"))
    })
}

fn default_mode_0600<F: Fixture>(cx: &mut Context<F>) {
    for umask in [0, 0o022, 0o077] {
        host::set_umask(umask);
        let mode = mode_after_listen(cx, &ListenOptions::new());
        assert_eq!(mode, 0o600, "{mode:o} under umask {umask:o}");
    }
}

fn wider_modes_exact<F: Fixture>(cx: &mut Context<F>) {
    for umask in [0, 0o022, 0o077, 0o777] {
        host::set_umask(umask);
        for asked in [0o660, 0o666, 0o777, 0o620, 0o600, 0o200, 0o000] {
            let mode = mode_after_listen(cx, &ListenOptions::new().mode(asked));
            assert_eq!(mode, asked, "{mode:o}, not {asked:o}, under umask {umask:o}");
        }
    }
}

/// The umask is the whole process's: changing it, even for a moment, changes the files that other
/// threads make in that moment.
fn umask_untouched<F: Fixture>(cx: &mut Context<F>) {
    const UMASK: u32 = 0o027;
    host::set_umask(UMASK);
    let done = Arc::new(AtomicBool::new(false));
    let others = {
        let (done, path) = (Arc::clone(&done), cx.path("other"));
        oracle::peer(move || {
            let mut files = 0;
            while !done.load(Ordering::Relaxed) {
                drop(fs::File::create(&path).expect("the directory is the case's own"));
                assert_eq!(mode_of(&path), 0o666 & !UMASK, "another thread's file");
                fs::remove_file(&path).expect("it was just made");
                files += 1;
            }
            files
        })
    };
    for _ in 0..300 {
        for mode in [0o600, 0o666] {
            _ = mode_after_listen(cx, &ListenOptions::new().mode(mode)); // the modes are case 112
        }
    }
    done.store(true, Ordering::Relaxed);
    assert!(others.finish() > 0, "the other thread made files meanwhile");
    assert_eq!(host::current_umask(), UMASK);
}

/// Under an empty umask nothing needs to be added to the file's mode later, so any change of it
/// after the bind means that it was different, and that is wider, before. Under any umask, a
/// watcher never sees more than what was asked for.
fn never_wider<F: Fixture>(cx: &mut Context<F>) {
    host::set_umask(0);
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
        .expect("inotify is part of every kernel");
    let watched = AddWatchFlags::IN_ATTRIB | AddWatchFlags::IN_CREATE;
    inotify.add_watch(cx.directory(), watched).expect("the directory is the case's own");
    for asked in [0o600, 0o660, 0o666] {
        let mode = mode_after_listen(cx, &ListenOptions::new().mode(asked));
        assert_eq!(mode, asked);
    }
    let events = inotify.read_events().expect("three files were made");
    let changes = events.iter().filter(|event| event.mask.contains(AddWatchFlags::IN_ATTRIB));
    // Removing a file changes its count of links, which is reported for a file that is watched
    // itself, not for one in a watched directory.
    assert_eq!(changes.count(), 0, "no file's mode was changed after it was made");

    host::set_umask(0o077);
    let done = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (done, path) = (Arc::clone(&done), cx.path("s"));
        oracle::peer(move || {
            while !done.load(Ordering::Relaxed) {
                let Ok(metadata) = path.symlink_metadata() else { continue };
                let mode = metadata.permissions().mode() & 0o7777;
                assert_eq!(mode & !0o660, 0, "{mode:o} was seen, 660 was asked for");
            }
        })
    };
    for _ in 0..300 {
        assert_eq!(mode_after_listen(cx, &ListenOptions::new().mode(0o660)), 0o660);
    }
    done.store(true, Ordering::Relaxed);
    watcher.finish();
}

fn mode_on_abstract_name_refused<F: Fixture>(cx: &mut Context<F>) {
    let name = cx.abstract_address("s");
    let for_files = [
        ListenOptions::new().mode(0o600),
        ListenOptions::new().cleanup(Cleanup::Remove),
        ListenOptions::new().check_parent(true),
    ];
    for options in for_files {
        let error = cx.listen_error(&name, &options);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(
            matches!(error.cause(), Cause::NotForAddress(_)),
            "the cause has a name: {error:?}"
        );
        let refused = oracle::connect(&name).err().map(|error| error.kind());
        assert_eq!(refused, Some(ErrorKind::ConnectionRefused), "and nobody listens there");
    }
}

fn parent_directory_checks<F: Fixture>(cx: &mut Context<F>) {
    let directory = cx.path("d");
    fs::create_dir(&directory).expect("it can be made");
    let address = cx.address("d/s");
    let checked = ListenOptions::new().check_parent(true).cleanup(Cleanup::Remove);
    let unchecked = ListenOptions::new().cleanup(Cleanup::Remove);
    let set_mode = |mode| {
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let listens = |options: &ListenOptions| {
        cx.run(async |transport| transport.listen(&address, options).map(drop))
    };
    for mode in [0o700, 0o755, 0o1777] {
        set_mode(mode);
        listens(&checked).unwrap_or_else(|error| panic!("{mode:o} is safe: {error}"));
    }
    for mode in [0o777, 0o702, 0o770] {
        set_mode(mode);
        let error = listens(&checked).err().unwrap_or_else(|| panic!("{mode:o} is not safe"));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(matches!(error.cause(), Cause::UnsafeDirectory(_)), "{error:?}");
        assert!(!cx.path("d/s").exists(), "the failed listen left no file");
        listens(&unchecked).expect("the check is only made when it was asked for");
    }
    set_mode(0o755);
    if host::is_root() {
        chown(&directory, Some(host::NOBODY), None).expect("root can give files away");
        let error = listens(&checked).expect_err("another user's directory is not safe");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }
}
