//! Three network namespaces: a pod that the agent and Egret share, a gateway, and the world. The world owns addresses
//! that look public, with live listeners on each, and counts what arrives from the pod with nft counters of its own:
//! the witness is outside, not the proxy's word.
//!
//! Root is needed, and `ip`, `nft`, `iptables`, `openssl`, `setpriv`, `python3`: without them the stories fail.
//! Every address exists only inside namespaces made here, which are gone at the end.

pub(crate) mod escapes;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use egret_tests::{Exit, Process, command, wait_for};
use serde_json::Value;
use tempfile::TempDir;

/// The user that Egret runs as in the pod.
pub(crate) const EGRET: u32 = 44_002;
/// The user that the agent runs as in the pod.
pub(crate) const AGENT: u32 = 44_001;

/// Addresses of the world. The first two are ordinary servers; the rest is what nobody should reach.
pub(crate) const SERVER: &str = "93.184.216.34";
pub(crate) const SERVER6: &str = "2606:2800:220:1::34";
pub(crate) const OTHER: &str = "93.184.216.99";
const WORLD4: [&str; 8] = [
    SERVER,
    OTHER,
    "8.8.8.8",
    "9.9.9.9",
    "203.0.113.10",
    "198.51.100.10",
    "169.254.169.254",
    "10.0.0.1",
];
const WORLD6: [&str; 4] = [
    SERVER6,
    "2606:2800:220:1::99",
    "2001:db8::10",
    "fd00:ec2::254",
];
const NAMES: [&str; 5] = [
    "api.example.com=93.184.216.34,2606:2800:220:1::34",
    "other.example.com=93.184.216.99",
    "git.example.com=93.184.216.34",
    "rebind.example.com=10.0.0.1",
    "mixed.example.com=169.254.169.254,93.184.216.34",
];

/// One host over HTTPS, one tunnel, and names that lead inwards.
pub(crate) const POLICY: &str = "
version: 1
default: deny
rules:
  - { name: api, hosts: [api.example.com], action: allow }
  - { name: git, hosts: [git.example.com], ports: [22], action: tunnel }
  - { name: rebind, hosts: [rebind.example.com, mixed.example.com], action: allow }
";

/// Where programs run.
pub(crate) struct Places {
    prefix: String,
    folder: PathBuf,
}

/// The namespaces and what lives in them.
pub(crate) struct Rig {
    /// The namespaces by name, to be shared between threads.
    pub(crate) places: Places,
    folder: TempDir,
    egret: Option<Process>,
    world: Option<Process>,
}

impl Rig {
    /// The namespaces with the world in its place, no rules and no Egret.
    pub(crate) fn new(policy: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!(
            "eg{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let places = Places {
            prefix,
            folder: folder.path().to_owned(),
        };
        let mut rig = Rig {
            places,
            folder,
            egret: None,
            world: None,
        };
        rig.build();
        rig.certify();
        rig.configure(policy);
        rig.world = Some(rig.start_world());
        rig
    }

    /// A rig with rules set and Egret ready.
    pub(crate) fn fenced(policy: &str) -> Self {
        let mut rig = Rig::new(policy);
        rig.iptables("apply");
        rig.start_egret();
        rig
    }

    /// `egret iptables ACTION` in the pod, as root.
    pub(crate) fn iptables(&self, action: &str) -> Exit {
        let mut run = self.places.inside("pod");
        run.arg(program())
            .args(["iptables", action])
            .arg("-c")
            .arg(self.path("egret.yaml"));
        if action != "remove" {
            run.args(["--uid", &EGRET.to_string()]);
        }
        let exit = Exit::of(&mut run);
        assert_eq!(exit.code, Some(0), "{exit:?}");
        exit
    }

    /// Starts `egret run` in the pod under its own user and waits until it has proved its fence.
    pub(crate) fn start_egret(&mut self) {
        self.launch_egret().line_with("egret ready");
    }

    /// Starts `egret run` in the pod as root, which becomes its own user.
    pub(crate) fn launch_egret(&mut self) -> &Process {
        let mut run = self.places.inside("pod");
        run.arg(program())
            .args(["run", "--user", &EGRET.to_string(), "-c"]);
        run.arg(self.path("egret.yaml"));
        self.egret.insert(Process::start("egret run", &mut run))
    }

    /// The running Egret.
    pub(crate) fn egret(&mut self) -> &mut Process {
        self.egret.as_mut().unwrap()
    }

    /// Packets from the pod that the witnesses have counted so far, at the gateway's door and in the world.
    pub(crate) fn witnessed(&self) -> u64 {
        ["gate", "world"]
            .iter()
            .map(|place| self.counter(place))
            .sum()
    }

    /// PEM file of Egret's CA.
    pub(crate) fn ca(&self) -> String {
        let path = self.path("egret-ca.pem");
        if !path.exists() {
            let mut export = self.places.unprivileged(EGRET);
            export.arg(program()).args(["ca", "export", "-c"]);
            let exported = Exit::of(export.arg(self.path("egret.yaml")));
            assert_eq!(exported.code, Some(0), "{exported:?}");
            fs::write(&path, exported.stdout).unwrap();
        }
        path.display().to_string()
    }

    /// Every record so far.
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("state/audit.jsonl")).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Starts what package managers and RPC clients talk to, `tests/python/services.py`, in the world.
    pub(crate) fn start_services(&self) -> Process {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = tests.join(".venv/bin/python");
        assert!(python.exists(), "run `make tools`");
        fs::create_dir(self.path("services")).unwrap();
        let mut run = self.places.inside("world");
        run.arg(python).arg(tests.join("python/services.py"));
        run.args(["world.pem", "world.key", "services"]);
        let services = Process::start("the services", &mut run);
        services.line_with("services ready");
        services
    }

    /// A file in the folder of this rig.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Copies `egret` to where an ordinary user can go: the build folder may lie elsewhere. By a process of its own: a file
    /// that is open for writing here is also open in what other stories are starting, and cannot be executed meanwhile.
    pub(crate) fn copy_program(&self) {
        let copied = Exit::of(Command::new("cp").arg(program()).arg(self.path("egret")));
        assert_eq!(copied.code, Some(0), "{copied:?}");
    }

    /// One shell in which every line must succeed.
    fn shell(&self, script: &str) {
        let names = ["pod", "gate", "world"]
            .map(|place| format!("{place}={}", self.places.name(place)))
            .join(" ");
        let script = format!("set -eu; {names}; {script}");
        let exit = Exit::of(
            Command::new("sh")
                .args(["-c", &script])
                .current_dir(self.folder.path()),
        );
        assert_eq!(
            exit.code,
            Some(0),
            "root and iproute2, nftables, openssl are needed: {exit:?}"
        );
    }

    fn build(&self) {
        self.shell(TOPOLOGY);
        let addresses = WORLD4.map(|address| format!("addr add {address}/32 dev lo\n"));
        let addresses6 = WORLD6.map(|address| format!("addr add {address}/128 dev lo nodad\n"));
        let batch = addresses.concat() + &addresses6.concat();
        fs::write(self.path("addresses"), batch).unwrap();
        self.shell("ip -n $world -batch addresses");
        fs::write(self.path("witness.gate"), WITNESS.replace("FROM", "g0")).unwrap();
        fs::write(self.path("witness.world"), WITNESS.replace("FROM", "w0")).unwrap();
        for place in ["gate", "world"] {
            self.shell(&format!("ip netns exec ${place} nft -f witness.{place}"));
        }
        let resolver = Path::new("/etc/netns").join(self.places.name("pod"));
        fs::create_dir_all(&resolver).unwrap();
        fs::write(
            resolver.join("resolv.conf"),
            "nameserver 8.8.8.8\noptions timeout:1 attempts:1\n",
        )
        .unwrap();
    }

    fn certify(&self) {
        self.shell(CERTIFICATES);
    }

    fn configure(&self, policy: &str) {
        let state = self.path("state");
        fs::create_dir(&state).unwrap();
        chown(&state, Some(EGRET), Some(EGRET)).unwrap();
        let config = format!(
            "state_dir: {}\npolicy: {}\nupstream: {{ extra_roots: [{}], connect_timeout: 2s }}\n",
            state.display(),
            self.path("policy.yaml").display(),
            self.path("world-ca.pem").display()
        );
        fs::write(self.path("egret.yaml"), config).unwrap();
        fs::write(self.path("policy.yaml"), policy).unwrap();
    }

    fn start_world(&self) -> Process {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/world.py");
        let mut run = self.places.inside("world");
        run.arg("python3")
            .arg(script)
            .args(["world.pem", "world.key"])
            .args(NAMES);
        let world = Process::start("the world", &mut run);
        world.line_with("world ready");
        world
    }

    /// Packets wait below netfilter until the next hop's link address is known, for a second or more on a link that has
    /// just come up: what an agent sends before there are rules would leave after they came.
    pub(crate) fn meet_the_neighbours(&self) {
        for address in [SERVER, SERVER6] {
            wait_for("an answer from the world", || {
                let ping = ["ping", "-c", "1", "-W", "1", address];
                (self.places.root(&ping).code == Some(0)).then_some(())
            });
        }
    }

    fn counter(&self, place: &str) -> u64 {
        let exit = Exit::of(
            self.places
                .inside(place)
                .args(["nft", "list", "counter", "inet", "witness", "pod"]),
        );
        let mut words = exit
            .stdout
            .split_whitespace()
            .skip_while(|word| *word != "packets");
        words
            .nth(1)
            .and_then(|count| count.parse().ok())
            .unwrap_or_else(|| panic!("no witness: {exit:?}"))
    }
}

impl Places {
    /// Runs a program in the pod as the agent: no capabilities, no way to get any.
    pub(crate) fn agent(&self, line: &[&str]) -> Exit {
        Exit::of(self.unprivileged(AGENT).args(line))
    }

    /// A program of the agent that goes on running.
    pub(crate) fn agent_process(&self, line: &[&str]) -> Process {
        Process::start(line[0], self.unprivileged(AGENT).args(line))
    }

    /// A program in the pod that goes on running as root.
    pub(crate) fn root_process(&self, line: &[&str]) -> Process {
        Process::start(line[0], self.inside("pod").args(line))
    }

    /// Runs a program in the world.
    pub(crate) fn world(&self, line: &[&str]) -> Exit {
        Exit::of(self.inside("world").args(line))
    }

    /// Runs a program in the pod as root.
    pub(crate) fn root(&self, line: &[&str]) -> Exit {
        Exit::of(self.inside("pod").args(line))
    }

    fn name(&self, place: &str) -> String {
        format!("{}-{place}", self.prefix)
    }

    /// `ip netns exec` also shows the namespace its own `/etc/resolv.conf`.
    pub(crate) fn inside(&self, place: &str) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name(place)])
            .current_dir(&self.folder);
        command.env_remove("RUST_BACKTRACE");
        command
    }

    fn unprivileged(&self, uid: u32) -> Command {
        let uid = uid.to_string();
        let mut command = self.inside("pod");
        command.args([
            "setpriv",
            "--reuid",
            &uid,
            "--regid",
            &uid,
            "--clear-groups",
        ]);
        command.args([
            "--bounding-set=-all",
            "--inh-caps=-all",
            "--no-new-privs",
            "--",
        ]);
        command
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(self.egret.take());
        drop(self.world.take());
        for place in ["pod", "gate", "world"] {
            let name = self.places.name(place);
            let _gone = Command::new("ip")
                .args(["netns", "delete", &name])
                .stderr(Stdio::null())
                .status();
        }
        let _removed = fs::remove_dir_all(Path::new("/etc/netns").join(self.places.name("pod")));
    }
}

/// The `egret` under test.
pub(crate) fn program() -> std::ffi::OsString {
    command().get_program().to_owned()
}

const TOPOLOGY: &str = r"
for name in $pod $gate $world; do ip netns add $name; ip -n $name link set lo up; done
ip -n $pod link add p0 type veth peer name g0 netns $gate
ip -n $gate link add g1 type veth peer name w0 netns $world
for name in $pod $gate $world; do ip netns exec $name sh -c 'for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > $f; done'; done
ip -n $pod addr add 10.77.0.2/24 dev p0; ip -n $pod addr add fd77::2/64 dev p0 nodad; ip -n $pod link set p0 up
ip -n $gate addr add 10.77.0.1/24 dev g0; ip -n $gate addr add fd77::1/64 dev g0 nodad; ip -n $gate link set g0 up
ip -n $gate addr add 10.78.0.1/24 dev g1; ip -n $gate addr add fd78::1/64 dev g1 nodad; ip -n $gate link set g1 up
ip -n $world addr add 10.78.0.2/24 dev w0; ip -n $world addr add fd78::2/64 dev w0 nodad; ip -n $world link set w0 up
ip netns exec $gate sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
ip -n $pod route add default via 10.77.0.1; ip -n $pod -6 route add default via fd77::1
ip -n $gate route add default via 10.78.0.2; ip -n $gate -6 route add default via fd78::2
ip -n $world route add 10.77.0.0/24 via 10.78.0.1; ip -n $world -6 route add fd77::/64 via fd78::1
ip netns exec $pod sh -c 'echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range'
";

/// Everything that comes out of the pod but what keeps IPv6 itself alive.
const WITNESS: &str = r#"
table inet witness {
  counter pod { }
  chain seen {
    type filter hook prerouting priority -300; policy accept;
    iifname "FROM" icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 143 } accept
    iifname "FROM" counter name pod
  }
}
"#;

const CERTIFICATES: &str = r#"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout world-ca.key -out world-ca.pem -days 5 -subj "/CN=World CA" -addext keyUsage=critical,keyCertSign 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout world.key -out world.csr -subj "/CN=world" 2>/dev/null
printf 'subjectAltName=DNS:api.example.com,DNS:other.example.com,IP:93.184.216.34\nextendedKeyUsage=serverAuth\n' > world.ext
openssl x509 -req -in world.csr -CA world-ca.pem -CAkey world-ca.key -days 5 -extfile world.ext -out world.pem 2>/dev/null
"#;
