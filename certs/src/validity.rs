//! From when to when: the window of an authority and of its leaves, in whole seconds since 1970.
//!
//! Browsers and Apple's platforms count a certificate's life from notBefore, so the backdating that forgives a
//! client's slow clock is part of the life, not added to it.

use crate::CertError;
use std::time::{Duration, SystemTime};

/// How far notBefore lies behind the clock: a client may be this slow.
pub(crate) const BACKDATE: Duration = Duration::from_hours(24);
/// The life of a leaf, counted from its notBefore.
pub(crate) const LEAF_LIFE: Duration = Duration::from_hours(14 * 24);
/// The life of a generated authority, counted from its notBefore.
pub(crate) const AUTHORITY_LIFE: Duration = Duration::from_hours(10 * 365 * 24);

/// A validity window, both ends inclusive (RFC 5280 section 4.1.2.5), seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
}

impl Validity {
    /// The window of a new authority made at `now`.
    pub(crate) fn of_authority(now: SystemTime) -> Result<Self, CertError> {
        Self::starting(now, AUTHORITY_LIFE)
    }

    /// The window of a leaf minted at `now`, inside the window of its authority.
    ///
    /// # Errors
    /// [`CertError::Expired`] or [`CertError::NotYetValid`] when the authority itself is not valid at `now`: a
    /// leaf of it would be refused by everyone, with a message that blames the wrong certificate.
    pub(crate) fn of_leaf(now: SystemTime, authority: Validity) -> Result<Self, CertError> {
        authority.check(now)?;
        let wanted = Self::starting(now, LEAF_LIFE)?;
        Ok(Validity {
            not_before: wanted.not_before.max(authority.not_before),
            not_after: wanted.not_after.min(authority.not_after),
        })
    }

    /// Whether `now` lies in the window.
    pub(crate) fn check(self, now: SystemTime) -> Result<(), CertError> {
        let seconds = since_1970(now)?;
        if seconds < self.not_before {
            return Err(CertError::NotYetValid {
                from: readable(self.not_before),
            });
        }
        if seconds > self.not_after {
            return Err(CertError::Expired {
                on: readable(self.not_after),
            });
        }
        Ok(())
    }

    fn starting(now: SystemTime, life: Duration) -> Result<Self, CertError> {
        let not_before = since_1970(now)?.saturating_sub(BACKDATE.as_secs());
        Ok(Validity {
            not_before,
            not_after: not_before.saturating_add(life.as_secs()),
        })
    }
}

/// Seconds since 1970, refused where a certificate could not say them (before 1970, after the year 9900).
fn since_1970(time: SystemTime) -> Result<u64, CertError> {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|_| CertError::Clock)?
        .as_secs();
    if seconds > LAST_SECOND {
        Err(CertError::Clock)
    } else {
        Ok(seconds)
    }
}

fn readable(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| x509_parser::time::ASN1Time::from_timestamp(seconds).ok())
        .map_or_else(
            || format!("second {seconds} since 1970"),
            |time| time.to_string(),
        )
}

/// 9900-01-01, so that an authority made on the last day still ends before the year 10000.
const LAST_SECOND: u64 = 250_245_244_800;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    const NOW: u64 = 1_790_000_000;

    #[test]
    fn a_leaf_is_backdated_and_lives_between_7_and_30_days_from_its_start() {
        let authority = Validity::of_authority(at(NOW - 100 * 86_400)).unwrap();
        let leaf = Validity::of_leaf(at(NOW), authority).unwrap();
        assert_eq!(leaf.not_before, NOW - 86_400);
        let days = (leaf.not_after - leaf.not_before) / 86_400;
        assert!((7..=30).contains(&days), "{days}");
    }

    #[test]
    fn a_leaf_stays_inside_its_authority() {
        let authority = Validity {
            not_before: NOW - 10,
            not_after: NOW + 10,
        };
        assert_eq!(Validity::of_leaf(at(NOW), authority).unwrap(), authority);
    }

    #[test]
    fn an_authority_outside_its_window_mints_nothing_and_the_error_says_when() {
        let authority = Validity {
            not_before: NOW,
            not_after: NOW + 10,
        };
        let early = Validity::of_leaf(at(NOW - 1), authority).unwrap_err();
        assert!(
            matches!(&early, CertError::NotYetValid { from } if from.contains("2026")),
            "{early}"
        );
        let late = Validity::of_leaf(at(NOW + 11), authority).unwrap_err();
        assert!(
            matches!(&late, CertError::Expired { on } if on.contains("2026")),
            "{late}"
        );
        assert!(
            Validity::of_leaf(at(NOW + 10), authority).is_ok(),
            "notAfter is inclusive"
        );
    }

    #[test]
    fn absurd_clocks_are_errors_not_panics() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Validity::of_authority(before), Err(CertError::Clock));
        assert_eq!(
            Validity::of_authority(at(LAST_SECOND + 1)),
            Err(CertError::Clock)
        );
        assert!(Validity::of_authority(at(0)).is_ok());
    }
}
