//! Bytes of a DNS message to a question we can judge, or to what is to be answered at once.
//!
//! Nouns: [`Question`], [`Heard`]. Pure. Of the client's message only the name, the type and the identifier
//! survive: options, padding, extra records and letter case could each carry data, and none of them is passed on.

use egret_policies::Host;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// One well-formed question of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// The client's identifier and question, to be repeated in the answer exactly as they came.
    pub(crate) id: u16,
    pub(crate) query: Query,
    /// Whether the client asked for recursion; repeated in the answer.
    pub(crate) recursion: bool,
    /// The name as policy knows it; `None` if it is no host name.
    pub(crate) host: Option<Host>,
    /// The largest UDP answer the client takes, in bytes.
    pub(crate) room: usize,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// To be judged.
    Question(Box<Question>),
    /// Not understood: this answer says so.
    Answer(Vec<u8>),
    /// Not a question at all. Answering would make us a reflector.
    Nothing,
}

impl Heard {
    /// Reads one message.
    pub(crate) fn from(packet: &[u8]) -> Self {
        let Ok(message) = Message::from_vec(packet) else {
            return malformed(packet);
        };
        let metadata = &message.metadata;
        if metadata.message_type != MessageType::Query {
            return Heard::Nothing;
        }
        let refuse = |code| Heard::Answer(bare_answer(metadata.id, metadata.op_code, code));
        if metadata.op_code != OpCode::Query {
            return refuse(ResponseCode::NotImp);
        }
        let [query] = message.queries.as_slice() else {
            return refuse(ResponseCode::FormErr);
        };
        if query.query_class() != DNSClass::IN {
            return refuse(ResponseCode::Refused);
        }
        Heard::Question(Box::new(Question {
            id: metadata.id,
            host: host(query.name()),
            query: query.clone(),
            recursion: metadata.recursion_desired,
            room: usize::from(message.max_payload()).clamp(LEAST_ROOM, MOST_ROOM),
        }))
    }
}

impl Question {
    /// Every text the labels could carry: the name with its dots, and each run of neighbouring labels without
    /// them. `None`: more labels than any host has, and more runs than are worth reading.
    pub(crate) fn texts(&self) -> Option<Vec<Vec<u8>>> {
        let labels: Vec<&[u8]> = self.query.name().iter().collect();
        if labels.len() > LABELS {
            return None;
        }
        let mut texts = vec![labels.join(&b'.')];
        for first in 0..labels.len() {
            let rest = labels.get(first..).unwrap_or_default();
            texts.extend((2..=rest.len()).filter_map(|count| Some(rest.get(..count)?.concat())));
        }
        Some(texts)
    }

    /// Whether we ask for records of this type. The others have no use for a client of HTTP, and several are the
    /// favourites of tunnels.
    pub(crate) fn is_supported(&self) -> bool {
        SUPPORTED.contains(&self.query.query_type())
    }

    /// An answer without records.
    pub(crate) fn empty_answer(&self, code: ResponseCode) -> Message {
        let mut message = Message::response(self.id, OpCode::Query);
        message.metadata.response_code = code;
        message.metadata.recursion_desired = self.recursion;
        message.metadata.recursion_available = true;
        message.add_query(self.query.clone());
        message
    }
}

impl Question {
    /// An answer of one text.
    pub(crate) fn text_answer(&self, text: String) -> Message {
        let mut message = self.empty_answer(ResponseCode::NoError);
        let data = RData::TXT(TXT::new(vec![text]));
        message.add_answer(Record::from_rdata(self.query.name().clone(), 0, data));
        message
    }
}

/// Labels that begin with an underscore say what is asked about a host, not which (RFC 8552).
fn host(name: &Name) -> Option<Host> {
    let labels: Vec<&[u8]> = name
        .iter()
        .skip_while(|label| label.starts_with(b"_"))
        .collect();
    let text = String::from_utf8(labels.join(&b'.')).ok()?;
    match Host::parse(&text) {
        Ok(host @ Host::Name(_)) => Some(host),
        _ => None,
    }
}

/// At least the identifier can be read from twelve bytes, and whether it was a question.
fn malformed(packet: &[u8]) -> Heard {
    match packet {
        [high, low, flags, _, _, _, _, _, _, _, _, _, ..] if flags & QR == 0 => {
            let id = u16::from_be_bytes([*high, *low]);
            Heard::Answer(bare_answer(id, OpCode::Query, ResponseCode::FormErr))
        }
        _ => Heard::Nothing,
    }
}

fn bare_answer(id: u16, op_code: OpCode, code: ResponseCode) -> Vec<u8> {
    Message::error_msg(id, op_code, code)
        .to_vec()
        .unwrap_or_default()
}

/// What a client of HTTP, gRPC or a database driver asks for.
const SUPPORTED: [RecordType; 7] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::CNAME,
    RecordType::HTTPS,
    RecordType::SVCB,
    RecordType::SRV,
    RecordType::TXT,
];
/// Twice what the longest host names in use have; 300 runs at most.
const LABELS: usize = 24;
/// The response bit of the third header byte, RFC 1035 section 4.1.1.
const QR: u8 = 0x80;
/// RFC 1035 section 2.3.4.
const LEAST_ROOM: usize = 512;
/// What fits into one IPv6 packet everywhere; the DNS flag day 2020 value.
const MOST_ROOM: usize = 1232;

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::Edns;
    use proptest::prelude::*;

    fn asked(name: &str, kind: RecordType) -> Message {
        let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        message
    }

    fn question(message: &Message) -> Question {
        match Heard::from(&message.to_vec().unwrap()) {
            Heard::Question(question) => *question,
            other => panic!("{other:?}"),
        }
    }

    fn code(heard: Heard) -> ResponseCode {
        let Heard::Answer(bytes) = heard else {
            panic!("{heard:?}")
        };
        let message = Message::from_vec(&bytes).unwrap();
        assert_eq!(message.metadata.message_type, MessageType::Response);
        message.metadata.response_code
    }

    #[test]
    fn a_question_is_read_with_its_name_normalised_and_repeated_as_it_came() {
        let mut message = asked("API.Example.COM.", RecordType::A);
        message.metadata.recursion_desired = true;
        let question = question(&message);
        assert_eq!(question.host, Some(Host::parse("api.example.com").unwrap()));
        assert!(question.is_supported());
        let answer = question.empty_answer(ResponseCode::Refused);
        assert_eq!(answer.metadata.id, 0x1234);
        assert_eq!(answer.queries[0].name().to_ascii(), "API.Example.COM.");
        assert!(answer.metadata.recursion_desired && answer.answers.is_empty());
    }

    #[test]
    fn room_is_what_the_client_says_within_reason() {
        assert_eq!(question(&asked("a.example.", RecordType::A)).room, 512);
        for (said, room) in [(100, 512), (900, 900), (65_000, 1232)] {
            let mut message = asked("a.example.", RecordType::A);
            let mut edns = Edns::new();
            edns.set_max_payload(said);
            message.set_edns(edns);
            assert_eq!(question(&message).room, room);
        }
    }

    #[test]
    fn service_labels_belong_to_the_host_behind_them() {
        let question = question(&asked("_8443._https.api.example.com.", RecordType::HTTPS));
        assert_eq!(question.host, Some(Host::parse("api.example.com").unwrap()));
        let texts = question.texts().unwrap();
        assert_eq!(
            texts[0], b"_8443._https.api.example.com",
            "all of it is scanned"
        );
    }

    #[test]
    fn every_run_of_labels_is_a_text_and_too_many_labels_are_none() {
        let texts = question(&asked("ab.cd.ef.", RecordType::A))
            .texts()
            .unwrap();
        let expected: [&[u8]; 4] = [b"ab.cd.ef", b"abcd", b"abcdef", b"cdef"];
        assert_eq!(texts, expected);
        assert!(
            question(&asked(&"a.".repeat(24), RecordType::A))
                .texts()
                .is_some()
        );
        assert!(
            question(&asked(&"a.".repeat(25), RecordType::A))
                .texts()
                .is_none()
        );
    }

    #[test]
    fn what_is_no_host_name_has_no_host() {
        let table: [&[&[u8]]; 6] = [
            &[],
            &[b"192", b"0", b"2", b"1"],
            &[b"a b", b"example"],
            &[b"a\0", b"example"],
            &[b"a\xff", b"example"],
            &[b"_only", b"_services"],
        ];
        for labels in table {
            let mut message = asked("a.example.", RecordType::A);
            let mut name = Name::from_labels(labels.to_vec()).unwrap();
            name.set_fqdn(true);
            message.queries[0].set_name(name);
            assert_eq!(question(&message).host, None, "{labels:?}");
        }
    }

    #[test]
    fn what_tunnels_like_is_not_supported() {
        for kind in [
            RecordType::NULL,
            RecordType::ANY,
            RecordType::AXFR,
            RecordType::KEY,
            RecordType::MX,
            RecordType::PTR,
        ] {
            assert!(
                !question(&asked("a.example.", kind)).is_supported(),
                "{kind}"
            );
        }
    }

    #[test]
    fn what_is_not_one_question_is_answered_as_such_or_not_at_all() {
        let mut two = asked("a.example.", RecordType::A);
        two.add_query(Query::query(
            Name::from_ascii("b.example.").unwrap(),
            RecordType::A,
        ));
        assert_eq!(
            code(Heard::from(&two.to_vec().unwrap())),
            ResponseCode::FormErr
        );
        let mut update = asked("a.example.", RecordType::A);
        update.metadata.op_code = OpCode::Update;
        assert_eq!(
            code(Heard::from(&update.to_vec().unwrap())),
            ResponseCode::NotImp
        );
        let mut chaos = asked("version.bind.", RecordType::TXT);
        chaos.queries[0].set_query_class(DNSClass::CH);
        assert_eq!(
            code(Heard::from(&chaos.to_vec().unwrap())),
            ResponseCode::Refused
        );
        let mut answer = asked("a.example.", RecordType::A);
        answer.metadata.message_type = MessageType::Response;
        assert_eq!(Heard::from(&answer.to_vec().unwrap()), Heard::Nothing);
        assert_eq!(Heard::from(b""), Heard::Nothing);
        assert_eq!(Heard::from(b"12345678901"), Heard::Nothing);
        let torn = &asked("a.example.", RecordType::A).to_vec().unwrap()[..14];
        assert_eq!(code(Heard::from(torn)), ResponseCode::FormErr);
    }

    proptest! {
        #[test]
        fn any_bytes_are_heard_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Heard::from(&bytes);
        }
    }
}
