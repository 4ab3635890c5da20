//! What is in the folder: types, indexes, ranges, absences.

use std::fs;
use std::process::Command;

use super::Site;
use crate::support::{backends, finish, is_installed};

#[test]
fn files_have_types_and_folders_an_index() {
    for backend in backends() {
        let site = Site::start(backend, &[]);
        site.put("index.html", "<p>index");
        site.put("sub/index.html", "<p>below");
        site.put("empty/file.unknown", "");
        site.put("a b.txt", "text");
        for (path, status, kind, body) in [
            ("/", 200, Some("text/html"), "<p>index"),
            ("/index.html", 200, Some("text/html"), "<p>index"),
            ("/sub/", 200, Some("text/html"), "<p>below"),
            ("/a%20b.txt?query", 200, Some("text/plain"), "text"),
            ("/empty/file.unknown", 200, Some("application/octet-stream"), ""),
            ("/empty/", 404, None, ""),
            ("/missing", 404, None, ""),
            ("/index.html/", 404, None, ""),
            ("/index.html/below", 404, None, ""),
        ] {
            let answer = site.get(path);
            assert_eq!((answer.status, answer.header("content-type")), (status, kind), "{path}");
            assert_eq!(answer.body, body.as_bytes(), "{backend} {path}");
        }
        let redirected = site.get("/sub");
        assert_eq!((redirected.status, redirected.header("location")), (307, Some("/sub/")));
        let head = site.ask("HEAD", "/", "");
        assert_eq!((head.status, head.header("content-length")), (200, Some("8")));
        assert_eq!(head.body, b"");
        assert_eq!(site.ask("POST", "/", "").status, 405);
        assert_eq!(site.get("/").body, b"<p>index", "{backend} goes on");
    }
}

#[test]
fn a_range_is_a_part() {
    for backend in backends() {
        let site = Site::start(backend, &[]);
        site.put("digits", "0123456789");
        for (asked, status, range, body) in [
            ("bytes=2-4", 206, Some("bytes 2-4/10"), "234"),
            ("bytes=7-", 206, Some("bytes 7-9/10"), "789"),
            ("bytes=-1", 206, Some("bytes 9-9/10"), "9"),
            ("bytes=10-11", 416, Some("bytes */10"), ""),
            // Several at once may be ignored.
            ("bytes=0-1,4-5", 200, None, "0123456789"),
        ] {
            let answer = site.ask("GET", "/digits", &format!("Range: {asked}\r\n"));
            assert_eq!((answer.status, answer.header("content-range")), (status, range), "{asked}");
            assert_eq!(answer.body, body.as_bytes(), "{asked}");
        }
        let etag = site.get("/digits").header("etag").expect("an etag").to_owned();
        let cached = site.ask("GET", "/digits", &format!("If-None-Match: {etag}\r\n"));
        assert_eq!((cached.status, cached.body), (304, Vec::new()));
    }
}

#[test]
fn curl_fetches_every_byte() {
    if !is_installed("curl", "curl") {
        return;
    }
    let contents: Vec<u8> = (0..8_000_000_u32).flat_map(u32::to_le_bytes).collect();
    for backend in backends() {
        let site = Site::start(backend, &[]);
        site.put("big", &contents);
        let fetched = site.directory.path().join("fetched");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "60", "http://here/big", "-o"]).arg(&fetched);
        curl.arg("--unix-socket").arg(site.directory.path().join("socket"));
        let output = finish(&mut curl, b"");
        assert!(output.status.success(), "{output:?}");
        assert!(fs::read(&fetched).expect("a file") == contents, "{backend}");
    }
}
