//! What is in the bytes: bytes -> Findings.
