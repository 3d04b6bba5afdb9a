//! Which names our own answers gave to which addresses, and until when.
//!
//! Nouns: [`Bindings`]. The redirected listener asks it whether a plain HTTP `Host` belongs to the address the
//! client dialled. Bounded: whoever floods it only forgets what was there, and what is forgotten is refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use egret_policies::Host;
use tokio::time::Instant;

/// Names and the addresses they were answered with. Shared by all connections.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    until: Mutex<HashMap<(IpAddr, Host), Instant>>,
}

impl Bindings {
    /// Remembers that `host` was answered with `address` for `life`, which is kept between [`LEAST`] and [`MOST`].
    pub(crate) fn remember(&self, host: &Host, address: IpAddr, life: Duration, now: Instant) {
        let until = now + life.clamp(LEAST, MOST);
        let mut bound = self.lock();
        if bound.len() >= CAPACITY {
            bound.retain(|_, until| *until > now);
        }
        if bound.len() >= CAPACITY {
            forget_the_soonest(&mut bound);
        }
        let entry = bound
            .entry((address.to_canonical(), host.clone()))
            .or_insert(until);
        *entry = until.max(*entry);
    }

    /// Whether `host` was answered with `address`, and that still holds.
    pub(crate) fn bind(&self, host: &Host, address: IpAddr, now: Instant) -> bool {
        let key = (address.to_canonical(), host.clone());
        self.lock().get(&key).is_some_and(|until| *until > now)
    }

    /// Every name that was answered with `address`, in the order of names.
    pub(crate) fn names(&self, address: IpAddr, now: Instant) -> Vec<Host> {
        let address = address.to_canonical();
        let bound = self.lock();
        let held = bound
            .iter()
            .filter(|((bound, _), until)| *bound == address && **until > now);
        let mut names: Vec<_> = held.map(|((_, host), _)| host.clone()).collect();
        names.sort_by_cached_key(Host::to_string);
        names
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(IpAddr, Host), Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for many at once, so that a full table does not cost a search for every answer.
fn forget_the_soonest(bound: &mut HashMap<(IpAddr, Host), Instant>) {
    let mut ends: Vec<_> = bound.values().copied().collect();
    ends.sort_unstable();
    if let Some(limit) = ends.get(CAPACITY / 8) {
        bound.retain(|_, until| *until > *limit);
    }
}

/// A client that was answered with a life of zero still connects a moment later.
const LEAST: Duration = Duration::from_secs(60);
/// No answer binds for longer than a day, whatever it says of itself.
const MOST: Duration = Duration::from_secs(86_400);
/// Pairs of name and address: about 2 MB at most.
const CAPACITY: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn host(name: &str) -> Host {
        Host::parse(name).unwrap()
    }

    fn ip(number: u32) -> IpAddr {
        Ipv4Addr::from(0xcb00_7100 + number).into()
    }

    #[test]
    fn an_answer_binds_for_its_life_and_no_longer() {
        let (bindings, now) = (Bindings::default(), Instant::now());
        bindings.remember(&host("a.example"), ip(1), Duration::from_secs(300), now);
        let at = |seconds| now + Duration::from_secs(seconds);
        assert!(bindings.bind(&host("a.example"), ip(1), at(299)));
        assert!(!bindings.bind(&host("a.example"), ip(1), at(300)));
        assert!(
            !bindings.bind(&host("a.example"), ip(2), now),
            "another address"
        );
        assert!(
            !bindings.bind(&host("b.example"), ip(1), now),
            "another name"
        );
        let mapped: IpAddr = "::ffff:203.0.113.1".parse().unwrap();
        assert!(
            bindings.bind(&host("a.example"), mapped, now),
            "the same address, written for v6"
        );
    }

    #[test]
    fn lives_are_kept_within_bounds() {
        let (bindings, now) = (Bindings::default(), Instant::now());
        bindings.remember(&host("zero.example"), ip(1), Duration::ZERO, now);
        assert!(bindings.bind(
            &host("zero.example"),
            ip(1),
            now + LEAST - Duration::from_secs(1)
        ));
        bindings.remember(
            &host("ever.example"),
            ip(1),
            Duration::from_secs(u32::MAX.into()),
            now,
        );
        assert!(!bindings.bind(&host("ever.example"), ip(1), now + MOST));
    }

    #[test]
    fn a_shorter_answer_does_not_shorten_a_longer_one() {
        let (bindings, now) = (Bindings::default(), Instant::now());
        for life in [600, 60] {
            bindings.remember(&host("a.example"), ip(1), Duration::from_secs(life), now);
        }
        assert!(bindings.bind(&host("a.example"), ip(1), now + Duration::from_secs(599)));
    }

    #[test]
    fn names_of_an_address_are_found_in_order() {
        let (bindings, now) = (Bindings::default(), Instant::now());
        for name in ["b.example", "a.example"] {
            bindings.remember(&host(name), ip(1), Duration::from_secs(300), now);
        }
        assert_eq!(
            bindings.names(ip(1), now),
            [host("a.example"), host("b.example")]
        );
        assert!(bindings.names(ip(2), now).is_empty());
    }

    #[test]
    fn a_flood_is_bounded_and_the_last_answer_is_there() {
        let (bindings, now) = (Bindings::default(), Instant::now());
        for number in 0..40_000 {
            let life = Duration::from_secs(100 + u64::from(number) % 50);
            bindings.remember(&host(&format!("n{number}.example")), ip(number), life, now);
        }
        assert!(bindings.lock().len() <= CAPACITY);
        assert!(bindings.bind(&host("n39999.example"), ip(39_999), now));
    }
}
