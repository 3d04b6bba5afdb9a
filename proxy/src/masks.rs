//! Which signatures are overwritten where: worked out once, then looked up.
//!
//! A mask depends on the rule, the side, and on which credentials are at home there. Most hosts are
//! nobody's home, so that nearly every request asks for the same few sets. The store is bounded by the
//! policy and the catalogue, never by what a client sends: hosts count only by the home patterns they
//! match, headers only where some signature names them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use egret_policies::{Host, Policy};
use egret_scanners::{MaskSet, Part, Place, Scanner, Side};

/// The mask sets of one snapshot.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    /// Home patterns without their `*.`, by number.
    homes: HashMap<Box<str>, Pattern>,
    /// Header names that are some credential's proper place.
    headers: HashSet<Box<str>>,
    sets: RwLock<HashMap<Key, Arc<MaskSet>>>,
}

/// The numbers of the patterns that a name appears in.
#[derive(Debug, Default, Clone, Copy)]
struct Pattern {
    exact: Option<u32>,
    below: Option<u32>,
}

/// All that a mask depends on.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    rule: Option<Box<str>>,
    side: Side,
    /// The home patterns that the host matches, and the part there; nothing for most hosts.
    home: Option<(Vec<u32>, Spot)>,
}

/// A place, as far as homes tell places apart.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Spot {
    Header(Box<str>),
    OtherHeader,
    Url,
    Body,
    Elsewhere,
}

impl Masks {
    pub(crate) fn new(scanner: &Scanner) -> Self {
        let mut masks = Self::default();
        let mut number = 0;
        for signature in scanner.signatures() {
            let home = &signature.home;
            for host in &home.hosts {
                number += 1;
                let (name, is_below) = match host.strip_prefix("*.") {
                    Some(domain) => (domain, true),
                    None => (&**host, false),
                };
                let pattern = masks.homes.entry(name.into()).or_default();
                let slot = if is_below {
                    &mut pattern.below
                } else {
                    &mut pattern.exact
                };
                slot.get_or_insert(number);
            }
            masks.headers.extend(home.headers.iter().cloned());
        }
        masks
    }

    /// Which signatures are overwritten in `part` of an exchange with `host` under `rule`.
    pub(crate) fn of(
        &self,
        (policy, scanner): (&Policy, &Scanner),
        rule: Option<&str>,
        part: &Part,
        host: Option<&Host>,
    ) -> Arc<MaskSet> {
        let key = self.key(rule, part, host);
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = sets.get(&key) {
            return Arc::clone(set);
        }
        drop(sets);
        let wanted = |signature: &_| policy.masks(rule, signature, part, host);
        let set = Arc::new(MaskSet::from_fn(scanner, wanted));
        let mut sets = self.sets.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sets.entry(key).or_insert(set))
    }

    fn key(&self, rule: Option<&str>, part: &Part, host: Option<&Host>) -> Key {
        let homes = host
            .and_then(Host::name)
            .map_or_else(Vec::new, |name| self.homes_of(name));
        let home =
            (!homes.is_empty() && part.side == Side::Request).then(|| (homes, self.spot(part)));
        Key {
            rule: rule.map(Into::into),
            side: part.side,
            home,
        }
    }

    fn homes_of(&self, name: &str) -> Vec<u32> {
        let exact = self.homes.get(name).and_then(|pattern| pattern.exact);
        let dots = name.match_indices('.');
        let domains = dots.filter_map(|(dot, _)| self.homes.get(name.get(dot + 1..)?)?.below);
        exact.into_iter().chain(domains).collect()
    }

    fn spot(&self, part: &Part) -> Spot {
        match &part.place {
            Place::Header(name) if self.headers.contains(name) => Spot::Header(name.clone()),
            Place::Header(_) => Spot::OtherHeader,
            Place::Url => Spot::Url,
            Place::Body => Spot::Body,
            Place::Name | Place::Method | Place::Trailer(_) => Spot::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Masks;
    use egret_policies::{Host, Policy};
    use egret_scanners::{
        Catalog, FingerprintKey, KnownSecrets, MaskSet, Part, Place, Scanner, Side,
    };

    const POLICY: &str = "version: 1\nrules:\n  - { name: a, hosts: [a.test], action: allow }\n  \
        - { name: b, action: allow, signatures: { github-token: deny, email-address: allow } }\n";

    #[test]
    fn a_set_from_the_store_is_the_set_worked_out() {
        let key = FingerprintKey::new([1; 32]);
        let scanner = Scanner::new(Catalog::builtin(), KnownSecrets::none(), key).unwrap();
        let policy = Policy::parse(POLICY, "policy.yaml", 1, scanner.signatures()).unwrap();
        let masks = Masks::new(&scanner);
        let mut hosts: Vec<String> = ["a.test", "anthropic.com", "x.y.test", "10.0.0.1"]
            .map(String::from)
            .into();
        for signature in scanner.signatures() {
            let homes = signature.home.hosts.iter();
            hosts.extend(homes.map(|host| host.replace("*.", "one.two.")));
        }
        hosts.sort();
        hosts.dedup();
        let headers = [
            "authorization",
            "x-api-key",
            "cookie",
            "x-goog-api-key",
            "private-token",
        ];
        let mut places = vec![
            Place::Name,
            Place::Method,
            Place::Url,
            Place::Body,
            Place::Trailer("x".into()),
        ];
        places.extend(headers.map(|name| Place::Header(name.into())));
        // Twice: the second time everything comes from the store.
        for _ in 0..2 {
            for host in &hosts {
                let host = Host::parse(host).unwrap();
                for place in &places {
                    for side in [Side::Request, Side::Response] {
                        for rule in [None, Some("a"), Some("b")] {
                            let part = Part {
                                side,
                                place: place.clone(),
                            };
                            let stored = masks.of((&policy, &scanner), rule, &part, Some(&host));
                            let wanted =
                                |signature: &_| policy.masks(rule, signature, &part, Some(&host));
                            assert_eq!(
                                *stored,
                                MaskSet::from_fn(&scanner, wanted),
                                "{host} {part} {rule:?}"
                            );
                        }
                    }
                }
            }
        }
        let most = 3 * 2 + 3 * hosts.len() * (places.len() + 1);
        assert!(masks.sets.read().unwrap().len() <= most);
    }
}
