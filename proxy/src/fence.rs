//! The proof that the fence stands.
