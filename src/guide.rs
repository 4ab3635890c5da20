//! How to do here what other libraries do: worked examples, compiled and run with the tests.
#![doc = include_str!("../docs/from-racket.md")]
