//! What may pass, and because of what: Facts -> Verdict.
