//! The DNS stub: the agent's only resolver.

pub(crate) mod bindings;
