//! What is not in the folder is not served, however it is asked for.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::Site;
use crate::support::backends;

#[test]
fn no_path_leaves_the_folder() {
    for backend in backends() {
        let site = Site::start(backend, &[]);
        site.put("sub/file", "inside");
        fs::write(site.directory.path().join("secret"), "outside").expect("a file");
        for path in [
            "/../../etc/passwd",
            "/../secret",
            "/sub/../../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/%2E%2E%2Fsecret",
            "/sub/..%2f..%2fsecret",
            "/..%5csecret",
            "/%252e%252e/secret",
            "//etc/passwd",
            "/%2fetc/passwd",
            "/./../secret",
            "/..",
            "/../",
            "/%00",
            "/sub%00/file",
            "/%ff",
            "http://here/../secret",
        ] {
            let answer = site.get(path);
            assert_eq!((answer.status, &*answer.body), (404, &b""[..]), "{backend} {path}");
        }
        assert_eq!(site.get(&format!("/{}", "x".repeat(300))).status, 404, "too long for a name");
        // Inside it, dots are allowed to stand.
        assert_eq!(site.get("/./sub/./file").body, b"inside");
    }
}

#[test]
fn links_are_followed_inside_only() {
    for backend in backends() {
        let site = Site::start(backend, &[]);
        site.put("sub/file", "inside");
        let outside = site.directory.path().join("outside");
        fs::create_dir(&outside).expect("a folder");
        fs::write(outside.join("secret"), "outside").expect("a file");
        let root = site.directory.path().join("root");
        let absolute = |path: &str| site.directory.path().join(path);
        for (link, target) in [
            ("inside", "sub/file".into()),
            ("sub/up", "../sub/file".into()),
            ("leaves", "../outside/secret".into()),
            ("leaves-above", "../../../../../../../../etc/passwd".into()),
            ("leaves-folder", "../outside".into()),
            ("absolute", absolute("outside/secret")),
            // Beneath the root as well, but the kernel can't know that.
            ("absolute-inside", absolute("root/sub/file")),
            ("circle", "circle".into()),
            ("dangling", "nowhere".into()),
        ] {
            symlink(target, root.join(link)).expect("a new link");
        }
        for path in ["/inside", "/sub/up"] {
            assert_eq!(site.get(path).body, b"inside", "{path}");
        }
        for path in [
            "/leaves",
            "/leaves-above",
            "/leaves-folder/secret",
            "/leaves-folder/",
            "/leaves-folder",
            "/absolute",
            "/absolute-inside",
            "/circle",
            "/dangling",
        ] {
            for method in ["GET", "HEAD"] {
                let answer = site.ask(method, path, "");
                assert_eq!((answer.status, &*answer.body), (404, &b""[..]), "{backend} {path}");
            }
        }
    }
}

/// Opening a pipe would wait for ever.
#[test]
fn what_is_no_file_is_not_found() {
    for backend in backends() {
        let site = Site::start(backend, &[]);
        let root = site.directory.path().join("root");
        mkfifo(&root.join("pipe"), Mode::S_IRWXU).expect("a pipe");
        let _socket = UnixListener::bind(root.join("other")).expect("a socket");
        for path in ["/pipe", "/other"] {
            for method in ["GET", "HEAD"] {
                assert_eq!(site.ask(method, path, "").status, 404, "{backend} {method} {path}");
            }
        }
    }
}
