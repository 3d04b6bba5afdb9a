//! The sidecar in orders nobody planned, and hellos nobody writes: rules, proxy, agent, death and sleep shuffled a
//! hundred times; a ClientHello in pieces and in two records through the real redirection.
//!
//! Root is needed, and what the rig needs.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

#[allow(dead_code, reason = "each file of stories uses its part of the rig")]
mod rig;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use egret_tests::{Process, wait_for};
use rig::{OTHER, Rig, SERVER, SERVER6};
use rustix::process::Signal;

const POLICY: &str = "
version: 1
default: deny
rules:
  - { name: api, hosts: [api.example.com], action: allow }
";

/// How many orders are tried.
const ORDERS: usize = 100;

/// One thing that happens to the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// `egret iptables apply`, also over rules that are there.
    Rules,
    /// `egret run`, not waited for.
    Start,
    /// `kill -9`.
    Kill,
    /// SIGSTOP.
    Sleep,
    /// SIGCONT.
    Wake,
    /// The agent tries.
    Attempt,
}

const STEPS: [Step; 9] = [
    Step::Rules,
    Step::Start,
    Step::Start,
    Step::Kill,
    Step::Sleep,
    Step::Wake,
    Step::Attempt,
    Step::Attempt,
    Step::Attempt,
];

#[test]
fn in_whatever_order_things_begin_and_end_nothing_leaves_once_there_are_rules() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed =
        std::env::var("EGRET_ORDER_SEED").map_or(seed.as_secs(), |text| text.parse().unwrap());
    println!("EGRET_ORDER_SEED={seed} tries these orders again");
    let mut story = Story::new(seed);
    for number in 0..ORDERS {
        if number % 5 == 0 {
            story.without_rules();
        }
        let order = story.shuffled();
        for step in order {
            story.take(step);
        }
        story.attempt();
        if let Some(settled) = story.settled {
            let left = story.rig.witnessed() - settled;
            assert_eq!(left, 0, "order {number} of seed {seed}: {order:?}");
        }
    }
    assert!(
        story.seen_without > 0,
        "the witnesses and the attempts work"
    );
    story.take(Step::Kill);
    story.rig.start_egret();
    assert!(
        fetch(&story.rig, SERVER, "api.example.com", 0, 0).contains("GET /pieces"),
        "and what is allowed is served after all that"
    );
}

struct Story {
    rig: Rig,
    agent: Process,
    random: u64,
    running: bool,
    /// What the witnesses had counted when the rules were there and all was quiet; `None`: there are no rules.
    settled: Option<u64>,
    /// Packets that left while there were no rules.
    seen_without: u64,
}

impl Story {
    fn new(seed: u64) -> Self {
        let rig = Rig::new(POLICY);
        rig.meet_the_neighbours();
        let script = rig_script("attempts.py");
        let agent = rig.places.agent_process(&[
            "/usr/bin/python3",
            "-c",
            &script,
            SERVER,
            OTHER,
            "8.8.8.8",
            SERVER6,
            "2001:db8::10",
        ]);
        Story {
            rig,
            agent,
            random: seed | 1,
            running: false,
            settled: None,
            seen_without: 0,
        }
    }

    /// Takes the rules away and shows that the attempts are then seen.
    fn without_rules(&mut self) {
        if self.settled.take().is_some() {
            self.rig.iptables("remove");
        }
        let before = self.rig.witnessed();
        self.attempt();
        self.seen_without += self.rig.witnessed() - before;
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Rules => {
                self.rig.iptables("apply");
                if self.settled.is_none() {
                    self.settled = Some(self.quiet());
                }
            }
            Step::Start if !self.running => {
                self.rig.launch_egret();
                self.running = true;
            }
            Step::Kill if self.running => {
                self.rig.egret().signal(Signal::KILL);
                self.rig.egret().wait();
                self.running = false;
            }
            Step::Sleep if self.running => self.rig.egret().signal(Signal::STOP),
            Step::Wake if self.running => self.rig.egret().signal(Signal::CONT),
            Step::Attempt => self.attempt(),
            Step::Start | Step::Kill | Step::Sleep | Step::Wake => {}
        }
    }

    fn attempt(&mut self) {
        self.agent.say("try");
        self.agent.line_with("tried");
    }

    /// What was on its way when the rules came has arrived.
    fn quiet(&self) -> u64 {
        wait_for("a quiet moment", || {
            let before = self.rig.witnessed();
            (self.rig.witnessed() == before).then_some(before)
        })
    }

    /// The steps in an order of chance (Fisher and Yates; xorshift64).
    fn shuffled(&mut self) -> [Step; STEPS.len()] {
        let mut steps = STEPS;
        for last in (1..steps.len()).rev() {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let other = usize::try_from(self.random >> 33).unwrap() % (last + 1);
            steps.swap(last, other);
        }
        steps
    }
}

#[test]
fn a_hello_in_pieces_and_in_two_records_is_read_whole() {
    let rig = Rig::fenced(POLICY);
    for (piece, first) in [
        (0, 0),
        (200, 0),
        (1, 0),
        (0, 60),
        (0, 300),
        (200, 60),
        (7, 250),
    ] {
        for address in [SERVER, SERVER6] {
            let answer = fetch(&rig, address, "api.example.com", piece, first);
            assert!(
                answer.contains("the world says: GET /pieces HTTP/1.1"),
                "pieces of {piece}, first record of {first}, {address}: {answer}"
            );
        }
    }
    let before = rig.witnessed();
    for (piece, first) in [(0, 0), (200, 0), (0, 60), (200, 60)] {
        let answer = fetch(&rig, SERVER, "evil.test", piece, first);
        assert!(
            answer.contains("no_rule"),
            "a name in pieces is the same name, {piece} {first}: {answer}"
        );
    }
    assert_eq!(rig.witnessed(), before, "and nobody was dialled for it");
}

/// What the agent is told when it asks for a page with its hello cut as told.
fn fetch(rig: &Rig, address: &str, name: &str, piece: usize, first: usize) -> String {
    let (ca, script) = (rig.ca(), rig_script("hello.py"));
    let (piece, first) = (piece.to_string(), first.to_string());
    let line = [
        "/usr/bin/python3",
        "-c",
        &script,
        address,
        name,
        &ca,
        &piece,
        &first,
    ];
    let exit = rig.places.agent(&line);
    exit.stdout + &exit.stderr
}

/// The text of a script of the rig: the agent could not open its file.
fn rig_script(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig");
    std::fs::read_to_string(folder.join(name)).unwrap()
}
