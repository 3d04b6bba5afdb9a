//! Clients as they come, without proxy variables, through redirection: in a cage and beside a sidecar. Each runs three
//! times in one pod, directly, caged and fenced in, and must print the same and make the same requests.
//!
//! What they talk to is `tests/python/services.py` in the world. Root is needed, and the tools of `make test`.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

#[allow(dead_code, reason = "each file of stories uses its part of the rig")]
mod rig;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use egret_tests::{Exit, Process};
use rig::{AGENT, EGRET, OTHER, Rig, SERVER};
use serde_json::Value;

const POLICY: &str = "
version: 1
default: deny
rules:
  - { name: services, hosts: [api.example.com], ports: [9443, 9444], action: allow }
";

/// A pod, its world with the services, and the trust of the three ways to reach them.
struct Stage {
    rig: Rig,
    services: Process,
    /// How many marks are in the services' book.
    marks: Cell<usize>,
}

/// One way to run a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Direct,
    /// A cage made by a user without any power.
    UserCage,
    /// A cage made by root, whose toolchains no other user may read.
    Cage,
    Sidecar,
}

impl Stage {
    fn new() -> Self {
        let rig = Rig::new(POLICY);
        let services = rig.start_services();
        trust_the_world(&rig);
        let config = fs::read_to_string(rig.path("egret.yaml")).unwrap();
        let state = rig.path("state").display().to_string();
        for way in [Way::Cage, Way::UserCage] {
            let own = rig.path(&format!("state-{way:?}"));
            fs::create_dir(&own).unwrap();
            let caged = config.replace(&state, &own.display().to_string());
            fs::write(rig.path(&format!("{way:?}.yaml")), caged).unwrap();
        }
        chown(rig.path("state-UserCage"), Some(AGENT), Some(AGENT)).unwrap();
        rig.copy_program();
        let shared = rig.path("trust-Sidecar");
        fs::create_dir(&shared).unwrap();
        chown(&shared, Some(EGRET), Some(EGRET)).unwrap();
        let publishing = format!("{config}ca: {{ publish: {} }}\n", shared.display());
        fs::write(rig.path("egret.yaml"), publishing).unwrap();
        Stage {
            rig,
            services,
            marks: Cell::new(0),
        }
    }

    /// Sets the rules and starts the sidecar, which publishes what makes clients trust it.
    fn fence(&mut self) {
        self.rig.iptables("apply");
        self.rig.start_egret();
    }

    /// Runs a shell script in a fresh folder of the pod, with no capabilities and no proxy variables.
    fn run(&self, way: Way, script: &str) -> Exit {
        let work = self.work(way);
        let mut run = self.rig.places.inside("pod");
        // Root that has no capabilities cannot have a user namespace; a cage takes them away itself.
        if way != Way::Cage {
            run.args(["setpriv", "--bounding-set=-all", "--inh-caps=-all"]);
            if way == Way::UserCage {
                let agent = AGENT.to_string();
                run.args(["--clear-groups", "--reuid", &agent, "--regid", &agent]);
            }
            run.arg("--");
        }
        run.args(["env", "-i"]);
        run.args(self.environment(way, &work));
        if matches!(way, Way::Cage | Way::UserCage) {
            run.arg(self.rig.path("egret")).args(["exec", "-q", "-c"]);
            run.arg(self.rig.path(&format!("{way:?}.yaml"))).arg("--");
        }
        run.args(["timeout", "120", "sh", "-c"]);
        run.arg(format!("{WITHOUT_PROXY}\n{script}"))
            .current_dir(&work);
        Exit::of(&mut run)
    }

    fn work(&self, way: Way) -> PathBuf {
        let work = self.rig.path(&format!("work-{way:?}"));
        let _fresh = fs::remove_dir_all(&work);
        fs::create_dir(&work).unwrap();
        if way == Way::UserCage {
            chown(&work, Some(AGENT), Some(AGENT)).unwrap();
        }
        work
    }

    fn environment(&self, way: Way, work: &Path) -> Vec<String> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let toolchain = Path::new(env!("CARGO")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut variables = BTreeMap::from([
            ("PATH", format!("{}:{path}", toolchain.display())),
            ("HOME", work.display().to_string()),
            ("CARGO_HOME", work.join("cargo").display().to_string()),
            ("TESTS", tests.display().to_string()),
            (
                "PYTHON",
                tests.join(".venv/bin/python").display().to_string(),
            ),
            ("FOLDER", self.rig.path("").display().to_string()),
            ("BASE", "https://api.example.com:9443".to_owned()),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ]);
        let folder = self.rig.path(&format!("trust-{way:?}"));
        if !matches!(way, Way::Cage | Way::UserCage) {
            let bundle = folder.join("bundle.pem").display().to_string();
            variables.extend(READ_THE_BUNDLE.map(|name| (name, bundle.clone())));
            let store = folder.join("truststore.p12");
            let java = format!(
                "-Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStorePassword=changeit",
                store.display()
            );
            variables.insert("JAVA_TOOL_OPTIONS", java);
        }
        let pairs = variables.into_iter();
        pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    /// What the services parsed so far, beginning with request `from`. They write a request down before they answer it;
    /// a mark of our own behind all of them tells when what they wrote has been read here.
    fn book(&self, from: usize) -> Vec<String> {
        let mark = self.marks.get();
        self.marks.set(mark + 1);
        let url = format!("https://127.0.0.1:9443/mark/{mark}");
        let curl = ["curl", "-sk", "-m", "60", "--http1.1", &url];
        assert_eq!(self.rig.places.world(&curl).code, Some(0));
        self.services.line_with(&format!(" /mark/{mark}"));
        let written = self.services.written();
        let requests = written
            .lines()
            .filter(|line| line.starts_with("request ") && !line.contains(" /mark/"));
        let mut requests: Vec<String> = requests.skip(from).map(str::to_owned).collect();
        requests.sort();
        requests
    }

    /// Decisions of the caged runs and of the sidecar.
    fn decisions(&self, way: Way) -> Vec<Value> {
        let mut records = self.rig.records();
        if matches!(way, Way::Cage | Way::UserCage) {
            let folder = self.rig.path(&format!("state-{way:?}/audit.d"));
            let folder = fs::read_dir(folder).unwrap();
            let texts = folder.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
            let lines: String = texts.collect();
            let parsed = lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap());
            records = parsed.collect();
        }
        records.retain(|record| record["event"] == "decision");
        records
    }
}

/// Runs the script in every way. The same output, the same requests, and each of them on record.
fn is_served_as_if_direct(script: &str) {
    serve(&[Way::Cage, Way::Sidecar], script);
}

/// The same, also in the cage of an ordinary user, who can run what the system has.
fn is_served_to_all_as_if_direct(script: &str) {
    serve(&[Way::UserCage, Way::Cage, Way::Sidecar], script);
}

fn serve(ways: &[Way], script: &str) {
    let mut stage = Stage::new();
    let direct = stage.run(Way::Direct, script);
    assert_eq!(direct.code, Some(0), "direct: {direct:?}");
    assert!(!direct.stdout.is_empty(), "a story says something");
    let expected = stage.book(0);
    for &way in ways {
        if way == Way::Sidecar {
            stage.fence();
        }
        let before = stage.book(0).len();
        let through = stage.run(way, script);
        assert_eq!(through.code, Some(0), "{way:?}: {through:?}");
        assert_eq!(through.stdout, direct.stdout, "{way:?}: {}", through.stderr);
        assert_eq!(stage.book(before), expected, "{way:?}");
        let decisions = stage.decisions(way);
        assert!(
            decisions.len() >= expected.len().max(1),
            "{way:?}: {decisions:#?}"
        );
        for decision in &decisions {
            assert_eq!(decision["verdict"], "allow", "{way:?}: {decision:#}");
            assert_eq!(decision["via"], "transparent", "{way:?}: {decision:#}");
        }
    }
}

/// The files that `egret ca publish` writes, for the world's own CA.
fn trust_the_world(rig: &Rig) {
    let folder = rig.path("trust-Direct");
    fs::create_dir(&folder).unwrap();
    fs::copy(rig.path("world-ca.pem"), folder.join("bundle.pem")).unwrap();
    let mut import = Command::new("keytool");
    import.args(["-importcert", "-noprompt", "-storetype", "PKCS12"]);
    import.args(["-storepass", "changeit", "-file", "bundle.pem"]);
    import
        .args(["-keystore", "truststore.p12"])
        .current_dir(&folder);
    let imported = Exit::of(&mut import);
    assert_eq!(imported.code, Some(0), "a JDK is needed: {imported:?}");
}

#[test]
fn curl() {
    is_served_to_all_as_if_direct(
        "for version in --http1.1 --http2; do
           for path in text large none; do curl -sS -m 60 $version $BASE/$path | sha256sum; done
           head -c 300000 /dev/zero | curl -sS -m 60 $version --data-binary @- -w ' %{http_version} %{http_code}\\n' $BASE/echo
         done",
    );
}

#[test]
fn wget() {
    is_served_to_all_as_if_direct(
        "wget -q --ca-certificate=$SSL_CERT_FILE -O- $BASE/large | sha256sum
         wget -q --ca-certificate=$SSL_CERT_FILE -O- --post-data='some words' $BASE/echo",
    );
}

#[test]
fn git_clone() {
    is_served_to_all_as_if_direct(
        "set -e
         git clone --quiet $BASE/git/sample.git sample
         git -C sample fsck --full --strict; git -C sample rev-parse HEAD
         git -C sample fetch --quiet origin; cat sample/*.txt | sha256sum",
    );
}

#[test]
fn pip_install() {
    is_served_as_if_direct(
        "set -e
         $PYTHON -m pip --quiet --disable-pip-version-check --no-cache-dir install \
           --index-url $BASE/pypi/simple/ --target packages sample-wheel
         cat packages/sample_wheel.py; ls packages",
    );
}

#[test]
fn npm_install() {
    is_served_to_all_as_if_direct(
        "set -e
         mkdir story; cd story; echo '{}' > package.json
         npm install --registry=$BASE/npm/ --no-audit --no-fund --no-update-notifier --loglevel=error sample-module > said
         cat package-lock.json node_modules/sample-module/*",
    );
}

#[test]
fn cargo_fetch() {
    is_served_as_if_direct(
        "set -e
         mkdir -p src .cargo; touch src/lib.rs
         printf '[package]\\nname = \"story\"\\nversion = \"0.1.0\"\\nedition = \"2021\"\\n[dependencies]\\nsample-crate = \"1\"\\n' > Cargo.toml
         printf '[source.crates-io]\\nreplace-with = \"world\"\\n[source.world]\\nregistry = \"sparse+%s/crates/\"\\n' $BASE > .cargo/config.toml
         cargo fetch --quiet
         cat Cargo.lock cargo/registry/src/*/sample-crate-1.0.0/src/lib.rs",
    );
}

#[test]
fn python_requests() {
    is_served_as_if_direct("$PYTHON $TESTS/python/wire_clients.py requests");
}

#[test]
fn python_httpx() {
    is_served_as_if_direct("$PYTHON $TESTS/python/wire_clients.py httpx");
}

#[test]
fn python_aiohttp() {
    is_served_as_if_direct("$PYTHON $TESTS/python/wire_clients.py aiohttp");
}

#[test]
fn python_grpc() {
    is_served_as_if_direct("$PYTHON $TESTS/python/grpc_client.py");
}

#[test]
fn node() {
    is_served_as_if_direct("$TESTS/node/node_modules/.bin/node $TESTS/clients/main.mjs");
}

#[test]
fn java() {
    is_served_as_if_direct("java $TESTS/clients/Main.java");
}

#[test]
fn go() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("go-client");
    let mut build = Command::new("go");
    build
        .env("GOTOOLCHAIN", "local")
        .env("GO111MODULE", "off")
        .env("CGO_ENABLED", "0");
    build.args(["build", "-o"]).arg(&program);
    build.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/main.go"));
    let built = Exit::of(&mut build);
    assert_eq!(built.code, Some(0), "{built:?}");
    is_served_as_if_direct(&program.display().to_string());
}

#[test]
fn neither_no_proxy_nor_an_empty_environment_changes_anything() {
    let mut stage = Stage::new();
    let other = format!("--resolve other.example.com:9443:{OTHER}");
    let literal = format!("https://{SERVER}:9443/text");
    for way in [Way::UserCage, Way::Cage, Way::Sidecar] {
        if way == Way::Sidecar {
            stage.fence();
        }
        for clean in [
            "env -i",
            "env NO_PROXY=* no_proxy=*",
            "env -i NO_PROXY=* no_proxy=*",
        ] {
            let curl = format!("{clean} /usr/bin/curl -sS -m 30");
            let allowed = stage.run(way, &format!("{curl} --cacert $SSL_CERT_FILE $BASE/text"));
            assert_eq!(
                allowed.stdout, "some words from the world\n",
                "{way:?} {clean}: {allowed:?}"
            );
            for refused in [
                format!("{other} https://other.example.com:9443/text"),
                literal.clone(),
            ] {
                let refused = stage.run(way, &format!("{curl} -k {refused}"));
                assert!(
                    refused.stdout.contains("egret_denied"),
                    "{way:?} {clean}: {refused:?}"
                );
            }
        }
    }
    assert_eq!(stage.book(0).len(), 9, "{:#?}", stage.book(0));
}

/// Prints the figures with `--nocapture`. The bound is for a machine that does much else, in an unoptimised build.
#[test]
fn the_added_latency_is_a_matter_of_milliseconds() {
    let mut stage = Stage::new();
    let median = |stage: &Stage, way: Way, version: &str| {
        let curl = format!(
            "curl -sS -m 60 {version} -o /dev/null -w '%{{time_starttransfer}}\\n' '{LOOP}'"
        );
        let exit = stage.run(way, &curl);
        let times = exit
            .stdout
            .lines()
            .map(|line| line.parse::<f64>().unwrap() * 1e6);
        let mut times: Vec<f64> = times.collect();
        assert_eq!(times.len(), 300, "{exit:?}");
        // The first one makes the connection.
        let first = times.remove(0);
        times.sort_by(f64::total_cmp);
        (first, times[times.len() / 2])
    };
    let mut figures = Vec::new();
    for way in [Way::Direct, Way::Cage, Way::Sidecar] {
        if way == Way::Sidecar {
            stage.fence();
        }
        for version in ["--http1.1", "--http2"] {
            let (first, kept) = median(&stage, way, version);
            println!(
                "{way:?} {version}: first {first:.0} us, then {kept:.0} us a request (median of 299)"
            );
            figures.push(kept);
        }
    }
    let added = figures[2..].iter().zip(figures[..2].iter().cycle());
    assert!(
        added
            .clone()
            .all(|(through, direct)| through - direct < 100_000.0),
        "{figures:?}"
    );
    let begin = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(stage.run(Way::Cage, "exit 0").code, Some(0));
    }
    println!(
        "`egret exec` from start to exit: {:?} (mean of 10)",
        begin.elapsed() / 10
    );
}

const LOOP: &str = "https://api.example.com:9443/text?[1-300]";

const WITHOUT_PROXY: &str = "unset HTTP_PROXY HTTPS_PROXY http_proxy https_proxy ALL_PROXY all_proxy NO_PROXY no_proxy NODE_USE_ENV_PROXY";

/// Variables that name a file of roots.
const READ_THE_BUNDLE: [&str; 9] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "npm_config_cafile",
    "NODE_EXTRA_CA_CERTS",
];
