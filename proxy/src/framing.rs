//! What hyper leaves open about request smuggling, and hop-by-hop headers.
