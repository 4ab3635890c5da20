//! In a tokio program: our semantics on its reactor, or a driver nested in it.
