//! What tonic wants of a connection, and of a stream of them.
