//! Globs over request paths.
