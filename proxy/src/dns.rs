//! The DNS stub.
