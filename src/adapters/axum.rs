//! Routers of axum on any listener.
