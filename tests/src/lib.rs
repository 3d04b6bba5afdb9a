//! Harness and end-to-end stories.
