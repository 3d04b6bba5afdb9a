//! Who we pretend to be: name -> [`Leaf`].
//!
//! An [`Authority`] is the local certificate authority whose root the agent's runtimes trust. For each host
//! name the agent speaks to it mints a [`Leaf`]: a short chain and the key that goes with it, ready for a TLS
//! server. Everything a picky verifier asks for is there (RFC 5280 profile, what OpenSSL calls
//! `-x509_strict`, Firefox's distinct serials, SChannel's distinct keys).
//!
//! Deliberately absent: files, sockets, clocks and caches. The time and the serial number are arguments;
//! caching and single-flight belong to the proxy, permissions of the key file to the command. Only the
//! generation of a private key draws randomness of its own, from the crypto provider.

mod authority;
mod error;
mod given;
mod name;
mod validity;

pub use authority::{Authority, Leaf, Serial};
pub use error::CertError;
