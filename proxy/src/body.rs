//! The inspected body: bytes pass through a decoder and a Session, under back-pressure.
