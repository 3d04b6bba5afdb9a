//! The only async crate: sockets, TLS, HTTP, forwarding.
