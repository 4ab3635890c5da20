//! Listening sockets that a service manager made: `LISTEN_FDS` and `LISTEN_FDNAMES`.
