//! Records as the resolver gave them to the answer the client may see.
//!
//! Nouns: [`Answer`]. Pure. The answer is made anew from what we understand, under the name that was asked for;
//! aliases, authorities and additional records stay behind.

use std::net::IpAddr;
use std::time::Duration;

use egret_policies::{Host, Policy};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA, HTTPS, SVCB};
use hickory_proto::rr::{RData, Record};

use super::question::Question;

/// What the client is told, and what it binds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) message: Message,
    /// Each address the name was answered with, and for how long.
    pub(crate) bound: Vec<(IpAddr, Duration)>,
    /// Addresses withheld: the name may not be led there.
    pub(crate) withheld: Vec<IpAddr>,
}

impl Answer {
    /// The answer to `question` about `host` from `records`.
    pub(crate) fn new(
        question: &Question,
        host: &Host,
        records: &[Record],
        policy: &Policy,
    ) -> Self {
        let mut answer = Answer {
            message: question.empty_answer(ResponseCode::NoError),
            bound: Vec::new(),
            withheld: Vec::new(),
        };
        let asked = question.query.query_type();
        for record in records
            .iter()
            .filter(|record| record.record_type() == asked)
            .take(RECORDS)
        {
            let life = Duration::from_secs(record.ttl.into());
            let mut may = |address: IpAddr| {
                let may = policy.could_dial(host, address);
                let list = if may {
                    None
                } else {
                    Some(&mut answer.withheld)
                };
                match list {
                    Some(withheld) => withheld.push(address),
                    None => answer.bound.push((address, life)),
                }
                may
            };
            if let Some(data) = cleared(&record.data, question, &mut may) {
                let name = question.query.name().clone();
                answer
                    .message
                    .add_answer(Record::from_rdata(name, record.ttl, data));
            }
        }
        answer
    }
}

/// The record as it may be shown; `None`: not at all.
fn cleared(
    data: &RData,
    question: &Question,
    may: &mut impl FnMut(IpAddr) -> bool,
) -> Option<RData> {
    match data {
        RData::A(address) => may(address.0.into()).then(|| data.clone()),
        RData::AAAA(address) => may(address.0.into()).then(|| data.clone()),
        RData::HTTPS(HTTPS(service)) => Some(RData::HTTPS(HTTPS(bare(service, question, may)?))),
        RData::SVCB(service) => Some(RData::SVCB(bare(service, question, may)?)),
        RData::CNAME(_) | RData::SRV(_) | RData::TXT(_) => Some(data.clone()),
        _ => None,
    }
}

/// A service record without encrypted hellos (the name would be hidden from us), without HTTP/3 (UDP does not leave)
/// and without a detour by another name, which would be asked for and refused.
fn bare(service: &SVCB, question: &Question, may: &mut impl FnMut(IpAddr) -> bool) -> Option<SVCB> {
    let own =
        service.target_name.is_root() || service.target_name.eq_ignore_root(question.query.name());
    if service.svc_priority == 0 || !own {
        return None;
    }
    let mut parameters = Vec::with_capacity(service.svc_params.len());
    for (key, value) in &service.svc_params {
        if let Some(value) = parameter(value, may) {
            parameters.push((*key, value));
        }
    }
    let kept = |wanted: &SvcParamKey| parameters.iter().any(|(key, _)| key == wanted);
    let needs_more = service.svc_params.iter().any(|(_, value)| match value {
        SvcParamValue::Mandatory(mandatory) => !mandatory.0.iter().all(kept),
        _ => false,
    });
    let speaks_nothing = kept(&SvcParamKey::NoDefaultAlpn) && !kept(&SvcParamKey::Alpn);
    if needs_more || speaks_nothing {
        return None;
    }
    Some(SVCB::new(
        service.svc_priority,
        service.target_name.clone(),
        parameters,
    ))
}

/// Only what we understand: an unknown parameter could be the next way to encrypt a name.
fn parameter(value: &SvcParamValue, may: &mut impl FnMut(IpAddr) -> bool) -> Option<SvcParamValue> {
    match value {
        SvcParamValue::Alpn(Alpn(protocols)) => {
            let spoken: Vec<_> = protocols
                .iter()
                .filter(|protocol| ["h2", "http/1.1"].contains(&protocol.as_str()))
                .cloned()
                .collect();
            (!spoken.is_empty()).then_some(SvcParamValue::Alpn(Alpn(spoken)))
        }
        SvcParamValue::Ipv4Hint(IpHint(hints)) => {
            let kept: Vec<A> = hints
                .iter()
                .filter(|hint| may(hint.0.into()))
                .copied()
                .collect();
            (!kept.is_empty()).then_some(SvcParamValue::Ipv4Hint(IpHint(kept)))
        }
        SvcParamValue::Ipv6Hint(IpHint(hints)) => {
            let kept: Vec<AAAA> = hints
                .iter()
                .filter(|hint| may(hint.0.into()))
                .copied()
                .collect();
            (!kept.is_empty()).then_some(SvcParamValue::Ipv6Hint(IpHint(kept)))
        }
        SvcParamValue::Mandatory(_) | SvcParamValue::NoDefaultAlpn | SvcParamValue::Port(_) => {
            Some(value.clone())
        }
        _ => None,
    }
}

/// More records of one type than any service has.
const RECORDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::question::Heard;
    use super::*;
    use hickory_proto::op::{MessageType, OpCode, Query};
    use hickory_proto::rr::rdata::svcb::{EchConfigList, Mandatory, Unknown};
    use hickory_proto::rr::{Name, RecordType};
    use std::net::{Ipv4Addr, Ipv6Addr};

    const POLICY: &str = "
version: 1
default: deny
rules:
  - { name: api, hosts: [api.example.com], action: allow }
  - { name: inside, hosts: [git.corp.example], ports: [22], cidrs: [10.2.0.0/16], action: tunnel }
";

    fn policy() -> Policy {
        Policy::parse(POLICY, "policy.yaml", 1, &[]).unwrap()
    }

    fn question(name: &str, kind: RecordType) -> Question {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        match Heard::from(&message.to_vec().unwrap()) {
            Heard::Question(question) => *question,
            other => panic!("{other:?}"),
        }
    }

    fn answered(name: &str, kind: RecordType, data: Vec<RData>) -> Answer {
        let question = question(name, kind);
        let host = question.host.clone().unwrap();
        let owner = Name::from_ascii("edge.cdn.example.").unwrap();
        let records: Vec<_> = data
            .into_iter()
            .map(|data| Record::from_rdata(owner.clone(), 300, data))
            .collect();
        Answer::new(&question, &host, &records, &policy())
    }

    fn a(text: &str) -> RData {
        RData::A(A(text.parse::<Ipv4Addr>().unwrap()))
    }

    fn https(priority: u16, target: &str, parameters: Vec<(SvcParamKey, SvcParamValue)>) -> RData {
        RData::HTTPS(HTTPS(SVCB::new(
            priority,
            Name::from_ascii(target).unwrap(),
            parameters,
        )))
    }

    fn alpn(protocols: &[&str]) -> (SvcParamKey, SvcParamValue) {
        let protocols = protocols
            .iter()
            .map(|protocol| (*protocol).to_owned())
            .collect();
        (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(protocols)))
    }

    fn ech() -> (SvcParamKey, SvcParamValue) {
        (
            SvcParamKey::EchConfigList,
            SvcParamValue::EchConfigList(EchConfigList(vec![1; 60])),
        )
    }

    #[test]
    fn addresses_are_passed_on_under_the_name_asked_for_and_bound() {
        let answer = answered("API.example.com.", RecordType::A, vec![a("203.0.113.7")]);
        // Documentation addresses are special to the policy; a public one stands in for the world.
        assert!(answer.message.answers.is_empty());
        let answer = answered(
            "API.example.com.",
            RecordType::A,
            vec![a("93.184.216.34"), a("93.184.216.35")],
        );
        assert_eq!(answer.message.answers.len(), 2);
        assert_eq!(
            answer.message.answers[0].name.to_ascii(),
            "API.example.com."
        );
        assert_eq!(
            answer.bound[0],
            ("93.184.216.34".parse().unwrap(), Duration::from_secs(300))
        );
        assert!(answer.withheld.is_empty());
    }

    #[test]
    fn private_answers_for_public_names_are_withheld_unless_a_rule_names_them() {
        for address in [
            "10.2.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ] {
            let answer = answered(
                "api.example.com.",
                RecordType::A,
                vec![a(address), a("93.184.216.34")],
            );
            assert_eq!(answer.message.answers.len(), 1, "{address}");
            assert_eq!(answer.withheld, [address.parse::<IpAddr>().unwrap()]);
        }
        for address in [
            "::1",
            "fd00:ec2::254",
            "fe80::1",
            "::ffff:10.2.0.1",
            "64:ff9b::a02:1",
        ] {
            let data = RData::AAAA(AAAA(address.parse::<Ipv6Addr>().unwrap()));
            let answer = answered("api.example.com.", RecordType::AAAA, vec![data]);
            assert!(answer.message.answers.is_empty(), "{address}");
        }
        let named = answered(
            "git.corp.example.",
            RecordType::A,
            vec![a("10.2.0.1"), a("10.3.0.1"), a("93.184.216.34")],
        );
        assert_eq!(
            named.bound.len(),
            1,
            "only what the rule names: {:?}",
            named.bound
        );
    }

    #[test]
    fn other_types_and_aliases_do_not_ride_along() {
        let alias =
            hickory_proto::rr::rdata::CNAME(Name::from_ascii("secret-in-a-name.example.").unwrap());
        let answer = answered(
            "api.example.com.",
            RecordType::A,
            vec![RData::CNAME(alias), a("93.184.216.34")],
        );
        assert_eq!(answer.message.answers.len(), 1);
        assert!(answer.message.authorities.is_empty() && answer.message.additionals.is_empty());
    }

    #[test]
    fn encrypted_hellos_http3_and_what_we_do_not_know_are_stripped() {
        let unknown = (
            SvcParamKey::Key(65_280),
            SvcParamValue::Unknown(Unknown(vec![1])),
        );
        let record = https(1, ".", vec![alpn(&["h3", "h2", "h3-29"]), ech(), unknown]);
        let answer = answered("api.example.com.", RecordType::HTTPS, vec![record]);
        assert_eq!(
            answer.message.answers[0].data,
            https(1, ".", vec![alpn(&["h2"])])
        );
        let bytes = answer.message.to_vec().unwrap();
        assert!(
            !bytes.windows(10).any(|window| window == [1; 10]),
            "no byte of it is left"
        );
    }

    #[test]
    fn a_service_that_cannot_be_used_without_what_was_stripped_is_dropped() {
        let mandatory = (
            SvcParamKey::Mandatory,
            SvcParamValue::Mandatory(Mandatory(vec![SvcParamKey::EchConfigList])),
        );
        let needs_ech = https(1, ".", vec![mandatory, alpn(&["h2"]), ech()]);
        let only_h3 = https(
            1,
            ".",
            vec![
                alpn(&["h3"]),
                (SvcParamKey::NoDefaultAlpn, SvcParamValue::NoDefaultAlpn),
            ],
        );
        let alias = https(0, "elsewhere.example.", vec![]);
        let detour = https(1, "elsewhere.example.", vec![alpn(&["h2"])]);
        let answer = answered(
            "api.example.com.",
            RecordType::HTTPS,
            vec![needs_ech, only_h3, alias, detour],
        );
        assert!(
            answer.message.answers.is_empty(),
            "{:?}",
            answer.message.answers
        );
    }

    #[test]
    fn hints_are_addresses_too() {
        let hint = |addresses: &[&str]| {
            let addresses = addresses
                .iter()
                .map(|address| A(address.parse().unwrap()))
                .collect();
            (
                SvcParamKey::Ipv4Hint,
                SvcParamValue::Ipv4Hint(IpHint(addresses)),
            )
        };
        let record = https(1, ".", vec![hint(&["10.0.0.1", "93.184.216.34"])]);
        let answer = answered("api.example.com.", RecordType::HTTPS, vec![record]);
        assert_eq!(
            answer.message.answers[0].data,
            https(1, ".", vec![hint(&["93.184.216.34"])])
        );
        assert_eq!(answer.withheld, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(answer.bound.len(), 1);
    }

    #[test]
    fn a_thousand_records_are_cut() {
        let many = (0..1000_u32)
            .map(|number| RData::A(A(Ipv4Addr::from(0x5db8_0000 + number))))
            .collect();
        assert_eq!(
            answered("api.example.com.", RecordType::A, many)
                .message
                .answers
                .len(),
            RECORDS
        );
    }
}
