//! The exact text for the kernel, plan by plan: a change in it must be looked at.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use egret_iptables::{Plan, RuleSet};

macro_rules! golden {
    ($($name:ident: $plan:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(text(&$plan));
        }
    )*};
}

golden! {
    defaults: base();
    a_cage_has_nobody_to_exempt: Plan { proxy_uid: None, ..base() };
    custom_ports_and_uid: Plan { proxy_uid: Some(4242), transparent_port: 16001, dns_port: Some(16053), ..base() };
    dns_off: Plan { dns_port: None, ..base() };
    ipv6_absent: Plan { ipv6: false, ..base() };
    one_excluded_port: Plan { exclude_ports: vec![22], ..base() };
    sixteen_excluded_ports: Plan { exclude_ports: (2001..=2016).collect(), ..base() };
    excluded_cidrs_go_to_their_family: Plan { exclude_cidrs: cidrs(&["10.96.0.0/12", "fd00:96::/108", "192.0.2.1"]), ..base() };
    everything_at_once: Plan {
        proxy_uid: Some(4242),
        transparent_port: 16001,
        dns_port: None,
        exclude_ports: vec![22, 2222],
        exclude_cidrs: cidrs(&["10.96.0.0/12"]),
        ipv6: false,
    };
}

fn base() -> Plan {
    Plan::new(Some(1337))
}

fn cidrs(texts: &[&str]) -> Vec<egret_iptables::Cidr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn text(plan: &Plan) -> String {
    let sets = RuleSet::of(plan).unwrap();
    sets.iter()
        .map(|set| format!("# {}\n{}", set.family, set.restore_text()))
        .collect()
}
