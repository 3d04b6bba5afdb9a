//! The harness of the end-to-end stories: real processes on loopback, watched from outside.
//!
//! Nouns: an [`Origin`], the internet of a story (`egret demo --origin-only`); an [`Egret`], one `egret run` with its
//! own state folder; a [`World`], both together with a policy; a [`Curl`] and a [`Wire`], clients by tool and by hand;
//! a [`canary`], a fresh secret that must appear nowhere.
//!
//! Ports are chosen by the system and read from what the processes print. Nothing sleeps to wait: a story waits for a
//! line, a byte, a record or the origin's own book, each with a deadline that fails. [`World::finish`] ends every story
//! with the same oracles: as many allowing decisions as the origin parsed requests, an audit chain that verifies, and
//! no canary in anything that Egret wrote.

pub mod canary;
mod client;
mod curl;
mod egret;
mod origin;
mod process;
mod script;
mod wire;
mod world;

pub use client::{Answer, call};
pub use curl::{Curl, Fetched};
pub use egret::{Egret, Exit, command};
pub use origin::{Origin, Seen};
pub use process::{DEADLINE, Process, wait_for};
pub use script::{node, python};
pub use wire::Wire;
pub use world::{Setup, World, alpn_names, json};
