//! A whole small world: an origin, a proxy with a policy before it, and the oracles that end every story.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Value;
use tempfile::TempDir;

use crate::canary;
use crate::curl::{Curl, Fetched};
use crate::egret::{Egret, Exit, command};
use crate::origin::Origin;
use crate::wire::Wire;

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The policy file. `{https}` and `{http}` stand for the origin's ports.
    pub policy: String,
    /// Lines added to `egret.yaml`.
    pub config: String,
    /// Variables set for `egret run`.
    pub environment: Vec<(String, String)>,
    /// Further files beside the policy: path and text.
    pub files: Vec<(String, String)>,
}

impl Setup {
    /// A world with this policy.
    pub fn policy(policy: &str) -> Self {
        Self {
            policy: policy.to_owned(),
            config: String::new(),
            environment: Vec::new(),
            files: Vec::new(),
        }
    }

    /// A world whose policy allows every name of the origin, with the default treatment of findings.
    pub fn open() -> Self {
        Self::policy(OPEN)
    }

    /// Adds lines to `egret.yaml`.
    #[must_use]
    pub fn config(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self
    }

    /// Adds a file beside the policy.
    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// Starts it.
    pub fn start(self) -> World {
        World::start(&self)
    }
}

/// Allows the names of the origin. Loopback is private: without `cidrs` it would be refused.
const OPEN: &str = r#"version: 1
rules:
  - name: llm
    hosts: [api.openai.com, api.anthropic.com]
    cidrs: [127.0.0.0/8]
    action: allow
  - name: web
    hosts: [origin.test, other.test, plain.test, "*.fault.test"]
    cidrs: [127.0.0.0/8]
    action: allow
  - name: local
    hosts: [localhost]
    cidrs: [127.0.0.0/8]
    ports: [{https}, {http}]
    action: allow
"#;

/// An origin and a proxy before it. It must be ended with [`World::finish`].
pub struct World {
    /// The origin.
    pub origin: Origin,
    /// The proxy; only [`World::restart`] takes it out for a moment.
    egret: Option<Egret>,
    answers: Mutex<Vec<String>>,
    directory: TempDir,
    finished: bool,
}

impl World {
    fn start(setup: &Setup) -> Self {
        let origin = Origin::start();
        let directory = tempfile::tempdir().unwrap();
        let config = configuration(&origin, directory.path()) + &setup.config;
        std::fs::write(directory.path().join("egret.yaml"), config).unwrap();
        std::fs::write(
            directory.path().join("policy.yaml"),
            fill(&setup.policy, &origin),
        )
        .unwrap();
        for (path, text) in &setup.files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let egret = Some(Egret::start_with(directory.path(), &setup.environment));
        Self {
            origin,
            egret,
            answers: Mutex::default(),
            directory,
            finished: false,
        }
    }

    /// The proxy.
    pub fn egret(&self) -> &Egret {
        self.egret.as_ref().expect("the proxy runs")
    }

    /// The folder of `egret.yaml`, `policy.yaml` and `state`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Replaces the policy file in one step, as editors and ConfigMaps do.
    pub fn write_policy(&self, policy: &str) {
        let new = self.directory().join("policy.yaml.new");
        std::fs::write(&new, fill(policy, &self.origin)).unwrap();
        std::fs::rename(new, self.directory().join("policy.yaml")).unwrap();
    }

    /// Ends the proxy with SIGKILL and starts it again on the same state.
    pub fn kill_and_restart(&mut self) {
        self.egret.take().expect("the proxy runs").kill();
        self.restart();
    }

    /// Starts the proxy on the same state.
    pub fn restart(&mut self) {
        self.egret = Some(Egret::start(self.directory.path()));
    }

    /// Ends the proxy with SIGKILL, for a story that looks at what it left.
    pub fn kill(&mut self) {
        self.egret.take().expect("the proxy runs").kill();
    }

    /// A curl call through the proxy.
    pub fn curl(&self, url: &str) -> Curl {
        Curl::through(url, &self.egret().ca(), self.egret().proxy)
    }

    /// Runs a curl call and keeps what Egret itself answered for the search for canaries.
    pub fn fetch(&self, curl: Curl) -> Fetched {
        let fetched = curl.run();
        if fetched.header("x-egret-request-id").is_some() {
            let page = format!("{:?}\n{}", fetched.headers, fetched.text());
            self.answers.lock().unwrap().push(page);
        }
        fetched
    }

    /// GET through the proxy.
    pub fn get(&self, url: &str) -> Fetched {
        self.fetch(self.curl(url))
    }

    /// A connection by hand: TLS to `host` inside CONNECT.
    pub fn tunnel(&self, host: &str) -> Wire {
        Wire::tunnel(self.egret().proxy, host, &self.egret().ca())
    }

    /// The one decision record there is by now.
    pub fn only_decision(&self) -> Value {
        let decisions = self.egret().records_of("decision", 1);
        assert_eq!(decisions.len(), 1, "{decisions:#?}");
        decisions[0].clone()
    }

    /// Ends the story: stops the proxy in order and holds all oracles.
    pub fn finish(self) {
        let parsed = self.origin.seen().len();
        let records = self.finish_uncounted();
        let let_through = |record: &&Value| {
            record["event"] == "decision"
                && ["allow", "redact"]
                    .iter()
                    .any(|verdict| record["verdict"] == *verdict)
        };
        let allowed = records.iter().filter(let_through).count();
        assert_eq!(
            parsed, allowed,
            "the origin parsed {parsed} requests, the log allows {allowed}: {records:#?}"
        );
    }

    /// The same without the count, where a story ends requests before the origin can have read them. Returns the
    /// records.
    pub fn finish_uncounted(mut self) -> Vec<Value> {
        self.finished = true;
        let egret = self.egret.take().expect("the proxy runs");
        let (log, ca) = (egret.audit(), egret.ca());
        let metrics = metrics(egret.admin);
        let written = egret.stop();
        let verified = Exit::of(command().args(["audit", "verify"]).arg(&log));
        assert_eq!(
            verified.code,
            Some(0),
            "the audit chain does not hold: {verified:?}"
        );
        let mut places = vec![
            ("its output".to_owned(), written),
            ("its metrics".to_owned(), metrics),
        ];
        let answers = std::mem::take(self.answers.get_mut().unwrap());
        places.extend(
            answers
                .into_iter()
                .map(|page| ("an error page".to_owned(), page)),
        );
        places.extend(files(&self.directory.path().join("state")));
        places.push((
            "its certificate".to_owned(),
            std::fs::read_to_string(ca).unwrap(),
        ));
        hold_no_canary(&places);
        let text = std::fs::read_to_string(log).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let forgotten = !self.finished && !std::thread::panicking();
        if let (true, Some(egret)) = (std::thread::panicking(), &self.egret) {
            eprintln!("--- egret run wrote:\n{}---", egret.process().written());
        }
        assert!(!forgotten, "a story must end with World::finish");
    }
}

/// An `egret.yaml` for this origin: the names it answers for, mapped to its ports.
fn configuration(origin: &Origin, directory: &Path) -> String {
    let mut text = format!(
        "listen: {{ proxy: \"127.0.0.1:0\", transparent: null, dns: null, admin: \"127.0.0.1:0\" }}\n\
         state_dir: {state}\n\
         policy: {policy}\n\
         upstream:\n  extra_roots: [{ca}]\n  resolve:\n    localhost: 127.0.0.1\n    plain.test: \"127.0.0.1:{http}\"\n",
        state = directory.join("state").display(),
        policy = directory.join("policy.yaml").display(),
        ca = origin.ca.display(),
        http = origin.http,
    );
    for name in origin.names.iter().filter(|name| *name != "localhost") {
        writeln!(text, "    {name}: \"127.0.0.1:{}\"", origin.https).unwrap();
    }
    for (fault, port) in &origin.faults {
        writeln!(text, "    {fault}.fault.test: \"127.0.0.1:{port}\"").unwrap();
    }
    text
}

fn fill(policy: &str, origin: &Origin) -> String {
    policy
        .replace("{https}", &origin.https.to_string())
        .replace("{http}", &origin.http.to_string())
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        (path.display().to_string(), text)
    };
    paths.filter(|path| path.is_file()).map(read).collect()
}

/// What `/metrics` says; nothing where the story has told the proxy to stop.
fn metrics(port: u16) -> String {
    let mut text = Vec::new();
    if let Ok(mut socket) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        let asked =
            socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let _ended = asked.and_then(|()| socket.read_to_end(&mut text));
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// No canary, whole or in its telling part, in any of these texts.
fn hold_no_canary(places: &[(String, String)]) {
    for canary in canary::made() {
        // The end of a secret is as good as the whole: the beginning is what everybody's looks like.
        let telling = &canary[canary.len() / 2..];
        for (place, text) in places {
            assert!(!text.contains(telling), "`{canary}` leaked into {place}");
        }
    }
}

/// Parses text as JSON, or fails with it.
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}

/// The HTTP version that curl is told to use, beside the name it reports.
pub fn alpn_names() -> [(&'static str, &'static str); 2] {
    [("--http1.1", "1.1"), ("--http2", "2")]
}
