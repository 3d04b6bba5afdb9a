//! Content codings undone, all members, with a bounded ratio.
