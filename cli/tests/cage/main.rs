//! The cage, on a real kernel, as an ordinary user.
//!
//! Run as root these tests become the user `daemon` for everything that is caged; run as an ordinary user they
//! stay that user. What they need (python3, tmux, ssh-agent, curl, unshare) must be there: nothing is skipped.
//! Every "this fails inside" has its twin "this works outside", so that no test passes for want of a server.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of a test fails as the test does"
)]

mod as_root;
mod life;
mod network;
mod sockets;
mod terminal;
mod user;
mod walls;
