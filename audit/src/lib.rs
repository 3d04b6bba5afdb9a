//! What can be proved later: Record, chain, sink.
