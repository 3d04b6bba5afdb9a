//! Redirected connections and their original destination.
