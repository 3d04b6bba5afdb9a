//! Scanning of method, URL, headers and trailers.
