//! A driver nested in tokio: one descriptor to wait for, whatever the backend.
