//! Paths as addresses: cases 1 to 12, 19, 21 and 25 (rules A1 to A3, A5, A7).

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use transport_core::{
    Address, AddressError, Cleanup, ConnectOptions, ListenOptions, Listener, Transport,
};

use crate::case::{Case, cases};
use crate::context::Context;
use crate::fixture::Fixture;
use crate::oracle;
use crate::steps::is_socket;

/// The longest address on Linux, in bytes.
const LIMIT: usize = 108;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        1 absolute_107_bytes,
        2 absolute_108_bytes,
        3 absolute_109_bytes_refused,
        4 relative_completed,
        5 relative_too_long_after_completion,
        6 chdir_after_bind_changes_nothing,
        7 repeated_slashes_collapse,
        8 dot_dot_counted_as_written,
        9 trailing_slash,
        10 empty_path_refused,
        11 nul_inside_refused,
        12 bytes_that_are_not_utf8,
        19 at_sign_is_a_file,
        21 local_address_equals_the_request,
        25 long_path_opt_in,
    ]
}

fn absolute_107_bytes<F: Fixture>(cx: &mut Context<F>) {
    works_both_ways(cx, &cx.path_of_length(LIMIT - 1));
}

fn absolute_108_bytes<F: Fixture>(cx: &mut Context<F>) {
    works_both_ways(cx, &cx.path_of_length(LIMIT));
    // The oracle goes through the directory; only two ends of the backend both use all 108 bytes.
    let address = cx.address_of_length(LIMIT);
    cx.run(async |transport| {
        let mut listener =
            transport.listen(&address, &ListenOptions::new()).expect("108 bytes fit");
        let bound = fs::read_to_string("/proc/net/unix").expect("Linux lists its sockets");
        let path = address.as_path().and_then(Path::to_str).expect("the case made it of ASCII");
        assert!(bound.lines().any(|line| line.ends_with(path)), "the kernel knows all 108 bytes");
        let mut client =
            transport.connect(&address, &ConnectOptions::new()).await.expect("it listens");
        let (mut server, _) = listener.accept().await.expect("a client waits");
        oracle::is_connected_to(&mut server, &mut client).await;
    });
}

/// At `path`, the backend serves the oracle and the oracle serves the backend; nothing but the
/// file of exactly that name is made.
fn works_both_ways<F: Fixture>(cx: &Context<F>, path: &Path) {
    let address = Address::path(path).expect("the path is legal");
    assert_eq!(address.as_path(), Some(path), "the address is the path, byte for byte");
    cx.serves(&address);
    assert_eq!(cx.files(), [path.file_name().expect("it has one")], "only this file was made");
    assert!(is_socket(path), "and it is a socket");
    fs::remove_file(path).expect("it is there");
    cx.dials(&address);
    fs::remove_file(path).expect("it is there");
}

fn absolute_109_bytes_refused<F: Fixture>(cx: &mut Context<F>) {
    let error = Address::path(cx.path_of_length(LIMIT + 1)).expect_err("109 bytes don't fit");
    assert_eq!(error, AddressError::TooLong { length: LIMIT + 1, limit: LIMIT });
    assert_eq!(io::Error::from(error).kind(), ErrorKind::InvalidInput);
    let text = error.to_string();
    assert!(text.contains("109") && text.contains("108"), "the text has both numbers: {text}");
    assert!(cx.files().is_empty(), "no file was made");
}

fn relative_completed<F: Fixture>(cx: &mut Context<F>) {
    env::set_current_dir(cx.directory()).expect("the case's own directory");
    let address = Address::path("relative.sock").expect("legal");
    assert_eq!(address.as_path(), Some(&*cx.path("relative.sock")));
    assert_eq!(address, cx.address("relative.sock"));
    cx.serves(&address);
    assert!(is_socket(&cx.path("relative.sock")));
}

fn relative_too_long_after_completion<F: Fixture>(cx: &mut Context<F>) {
    env::set_current_dir(cx.directory()).expect("the case's own directory");
    let longest = cx.path_of_length(LIMIT);
    let name =
        longest.file_name().expect("it has one").to_str().expect("the case made it of ASCII");
    assert!(Address::path(name).is_ok(), "completed it has 108 bytes");
    assert_eq!(
        Address::path(format!("{name}x")),
        Err(AddressError::TooLong { length: LIMIT + 1, limit: LIMIT }),
        "the length that counts is that of the completed path",
    );
}

fn chdir_after_bind_changes_nothing<F: Fixture>(cx: &mut Context<F>) {
    let elsewhere = cx.path("elsewhere");
    fs::create_dir(&elsewhere).expect("it can be made");
    env::set_current_dir(cx.directory()).expect("the case's own directory");
    let address = Address::path("s").expect("legal");
    let options = ListenOptions::new().cleanup(Cleanup::Remove);
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, &options).expect("nothing is there");
        env::set_current_dir(&elsewhere).expect("it was made");
        fs::write("s", "not a socket").expect("a file of the same relative name");
        assert_eq!(listener.local_address(), &address);
        let mut client =
            transport.connect(&address, &ConnectOptions::new()).await.expect("it listens");
        let (mut server, _) = listener.accept().await.expect("a client waits");
        oracle::is_connected_to(&mut server, &mut client).await;
    });
    assert!(!cx.path("s").exists(), "the listener's own file was removed");
    assert!(elsewhere.join("s").exists(), "and not the one that the relative name means now");
}

fn repeated_slashes_collapse<F: Fixture>(cx: &mut Context<F>) {
    let plain = cx.path("s");
    let doubled = plain.to_str().expect("ASCII").replace('/', "//");
    let address = Address::path(format!("/{doubled}")).expect("legal");
    assert_eq!(address.as_path(), Some(&*plain));
    cx.serves(&address);
    assert!(is_socket(&plain));
    let name_with_slashes = format!("{}{}s", cx.directory().display(), "/".repeat(LIMIT));
    assert_eq!(Address::path(name_with_slashes), Ok(address), "the length counts after collapsing");
}

fn dot_dot_counted_as_written<F: Fixture>(cx: &mut Context<F>) {
    fs::create_dir(cx.path("d")).expect("it can be made");
    let detour = cx.path("d/../d/./");
    let of_length = |length: usize| {
        let taken = detour.as_os_str().len();
        format!("{}{}", detour.display(), "n".repeat(length - taken))
    };
    let longest = of_length(LIMIT);
    let address = Address::path(&longest).expect("108 bytes as written");
    assert_eq!(address.as_path(), Some(Path::new(&longest)), "dots stay as they were written");
    cx.serves(&address);
    let error = AddressError::TooLong { length: LIMIT + 1, limit: LIMIT };
    assert_eq!(Address::path(of_length(LIMIT + 1)), Err(error), "though it would shorten");
}

fn trailing_slash<F: Fixture>(cx: &mut Context<F>) {
    let plain = cx.address("s");
    let slashed = Address::path(cx.path("s/")).expect("legal");
    assert_ne!(plain, slashed, "a trailing slash stays");
    let options = ListenOptions::new();
    assert_eq!(cx.listen_error(&slashed, &options).kind(), ErrorKind::NotFound);
    assert!(cx.files().is_empty(), "no file was made");
    let _listener = oracle::listen(&plain);
    assert_eq!(cx.listen_error(&slashed, &options).kind(), ErrorKind::AddrInUse);
    assert_eq!(cx.connect_error(&slashed).raw_os_error(), Some(libc::ENOTDIR));
}

fn empty_path_refused<F: Fixture>(cx: &mut Context<F>) {
    assert_eq!(Address::path(""), Err(AddressError::Empty));
    // The kernel would choose a name by itself for an address without bytes.
    let listening = cx.listen_error(&Address::Unnamed, &ListenOptions::new());
    assert_eq!(listening.kind(), ErrorKind::InvalidInput);
    assert_eq!(cx.connect_error(&Address::Unnamed).kind(), ErrorKind::InvalidInput);
}

fn nul_inside_refused<F: Fixture>(cx: &mut Context<F>) {
    let with_nul = [cx.path("cut").as_os_str().as_bytes(), b"\0rest"].concat();
    let position = with_nul.len() - 5;
    let refused = Address::path(OsStr::from_bytes(&with_nul));
    assert_eq!(refused, Err(AddressError::Nul { position }), "the kernel would cut the path there");
    assert_eq!(Address::path("\0abstract"), Err(AddressError::Nul { position: 0 }));
    assert!(cx.files().is_empty(), "no truncated file was made");
}

fn bytes_that_are_not_utf8<F: Fixture>(cx: &mut Context<F>) {
    let path = cx.directory().join(OsStr::from_bytes(b"\xff\xfe\x80 \n"));
    works_both_ways(cx, &path);
    let shown = Address::path(&path).expect("legal").to_string();
    assert!(shown.ends_with(r"\xff\xfe\x80 \x0a"), "shown, its bytes are escaped: {shown:?}");
}

fn at_sign_is_a_file<F: Fixture>(cx: &mut Context<F>) {
    env::set_current_dir(cx.directory()).expect("the case's own directory");
    let address = Address::path("@name").expect("legal");
    assert_ne!(
        Ok(&address),
        Address::from_text("@name").as_ref(),
        "only text means abstract names"
    );
    cx.serves(&address);
    assert!(is_socket(&cx.path("@name")), "it is a file");
}

fn local_address_equals_the_request<F: Fixture>(cx: &mut Context<F>) {
    let long = cx.path(&"d".repeat(60));
    fs::create_dir(&long).expect("it can be made");
    fs::create_dir(cx.path("l")).expect("it can be made");
    let addresses = [
        cx.address("short"),
        cx.abstract_address("name"),
        cx.address_of_length(LIMIT),
        Address::path(cx.path("l/../dots")).expect("legal"),
        Address::long_path(long.join("x".repeat(60))).expect("the name is short"),
    ];
    cx.run(async |transport| {
        for address in &addresses {
            let listener =
                transport.listen(address, &ListenOptions::new()).expect("legal and free");
            assert_eq!(listener.local_address(), address);
        }
        let renamed = cx.address("before");
        let listener = transport.listen(&renamed, &ListenOptions::new()).expect("legal and free");
        fs::rename(cx.path("before"), cx.path("after")).expect("it is there");
        assert_eq!(listener.local_address(), &renamed, "what was asked for, not what is there now");
    });
}

fn long_path_opt_in<F: Fixture>(cx: &mut Context<F>) {
    let directory = cx.path(&"d".repeat(100));
    fs::create_dir(&directory).expect("it can be made");
    let path = directory.join("socket");
    let length = path.as_os_str().len();
    assert_eq!(Address::path(&path), Err(AddressError::TooLong { length, limit: LIMIT }));
    let address = Address::long_path(&path).expect("the file name is short");
    assert_eq!(address.as_path(), Some(&*path));
    cx.serves(&address);
    assert!(is_socket(&path));
    fs::remove_file(&path).expect("it is there");
    cx.dials(&address);
    fs::remove_file(&path).expect("it is there");

    let options = ListenOptions::new().cleanup(Cleanup::Remove);
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, &options).expect("the name is free");
        let mut client =
            transport.connect(&address, &ConnectOptions::new()).await.expect("it listens");
        let (mut server, _) = listener.accept().await.expect("a client waits");
        oracle::is_connected_to(&mut server, &mut client).await;
    });
    assert!(!path.exists(), "a long path is removed, too");
    assert_eq!(
        Address::long_path(cx.path("s")),
        Ok(cx.address("s")),
        "a short one is a plain path"
    );
    let name = Address::long_path(directory.join("n".repeat(200)));
    assert!(matches!(name, Err(AddressError::TooLong { length: 200, .. })), "{name:?}");
}
