//! The DNS stub: the only resolver an agent has.
//!
//! Nouns: a [`question`] is judged before anything leaves, an [`answer`] is made anew from what came back, and
//! [`bindings`] remember which names got which addresses. [`stub`] holds the sockets and nothing else.
//!
//! A name that no rule could allow is refused here: labels are a channel, and resolving them would carry them to
//! whoever owns the zone. Every refusal is on record.

mod answer;
pub(crate) mod bindings;
mod question;
mod stub;

pub(crate) use stub::{tcp, udp};
