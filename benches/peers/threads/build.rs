//! Tells the program which compiler, and so which standard library, it is built with.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let compiler = std::env::var_os("RUSTC").expect("cargo sets it for build scripts");
    let said = Command::new(compiler).arg("--version").output().expect("the compiler runs");
    let said = String::from_utf8_lossy(&said.stdout);
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let version = said.split(' ').nth(1).expect("a version follows the name");
    println!("cargo::rustc-env=STD_VERSION={version}");
}
