//! The raw twin of `egret.yaml`: its sections, each value typed, each path with the place that named it.

use super::values::{self, Located};
use super::{Base, Settings};
use crate::state;
use egret_policies::Host;
use egret_policies::yaml::{Fields, Node, Reporter, Value};
use egret_proxy::{AuditPath, CaFiles, Config, Durability, KnownSecretSources, Pinned};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What the file says, section by section; `None` is "not said".
#[derive(Debug, Default)]
pub(super) struct Raw<'n> {
    listen: Listen,
    state_dir: Option<PathBuf>,
    pub(super) ca_cert: Option<Located<'n, PathBuf>>,
    pub(super) ca_key: Option<Located<'n, PathBuf>>,
    publish: Option<PathBuf>,
    pub(super) extra_roots: Vec<Located<'n, PathBuf>>,
    connect_timeout: Option<Duration>,
    resolve: HashMap<Host, Pinned>,
    pub(super) policy: Option<Located<'n, PathBuf>>,
    folder: PathBuf,
    audit_path: Option<AuditPath>,
    durability: Option<Durability>,
    hold_body: Option<usize>,
    header_bytes: Option<usize>,
    idle: Option<Duration>,
    pub(super) secret_env: Vec<Located<'n, &'n str>>,
    pub(super) secret_files: Vec<Located<'n, PathBuf>>,
    pub(super) secret_env_file: Option<Located<'n, PathBuf>>,
}

/// Addresses as said: absent, off, or given.
#[derive(Debug, Default)]
struct Listen {
    proxy: Option<Option<SocketAddr>>,
    transparent: Option<Option<SocketAddr>>,
    dns: Option<Option<SocketAddr>>,
    admin: Option<Option<SocketAddr>>,
}

const SECTIONS: [&str; 8] = [
    "listen",
    "state_dir",
    "ca",
    "upstream",
    "policy",
    "audit",
    "limits",
    "known_secrets",
];

/// Reads the whole file.
pub(super) fn read<'n>(root: &'n Node, base: &Base, reporter: &mut Reporter<'_>) -> Raw<'n> {
    let mut raw = Raw {
        folder: base.folder.clone(),
        ..Raw::default()
    };
    let Some(fields) = Fields::read(root, &SECTIONS, "the configuration", reporter) else {
        return raw;
    };
    let path = |(path, _): Located<'_, PathBuf>| path;
    raw.state_dir = values::path(fields.value("state_dir"), base, reporter).map(path);
    raw.policy = values::path(fields.value("policy"), base, reporter);
    let section = |key: &str| fields.value(key).filter(|node| node.value != Value::Null);
    if let Some(node) = section("listen") {
        raw.listen = listen(node, reporter);
    }
    if let Some(node) = section("ca") {
        ca(node, base, &mut raw, reporter);
    }
    if let Some(node) = section("upstream") {
        upstream(node, base, &mut raw, reporter);
    }
    if let Some(node) = section("audit") {
        audit(node, base, &mut raw, reporter);
    }
    if let Some(node) = section("limits") {
        limits(node, &mut raw, reporter);
    }
    if let Some(node) = section("known_secrets") {
        known_secrets(node, base, &mut raw, reporter);
    }
    raw
}

fn listen(node: &Node, reporter: &mut Reporter<'_>) -> Listen {
    const KEYS: [&str; 4] = ["proxy", "transparent", "dns", "admin"];
    let Some(fields) = Fields::read(node, &KEYS, "`listen`", reporter) else {
        return Listen::default();
    };
    let mut taken: Vec<(SocketAddr, &str)> = Vec::new();
    let mut one = |key: &'static str| {
        let address = values::address(fields.value(key), reporter);
        let (Some(Some(bound)), Some(node)) = (address, fields.value(key)) else {
            return address;
        };
        let clash = taken
            .iter()
            .find(|(other, _)| *other == bound && bound.port() != 0);
        if let Some((_, other)) = clash {
            let message = format!("`listen.{key}` and `listen.{other}` are the same address");
            reporter.report(node, message, "give each listener a port of its own");
        }
        taken.push((bound, key));
        address
    };
    Listen {
        proxy: one("proxy"),
        transparent: one("transparent"),
        dns: one("dns"),
        admin: one("admin"),
    }
}

fn ca<'n>(node: &'n Node, base: &Base, raw: &mut Raw<'n>, reporter: &mut Reporter<'_>) {
    let Some(fields) = Fields::read(node, &["cert", "key", "publish"], "`ca`", reporter) else {
        return;
    };
    raw.ca_cert = values::path(fields.value("cert"), base, reporter);
    raw.ca_key = values::path(fields.value("key"), base, reporter);
    raw.publish = values::path(fields.value("publish"), base, reporter).map(|(path, _)| path);
    let help = "give both files, or neither and let one be made in `state_dir`";
    match (&raw.ca_cert, &raw.ca_key) {
        (Some((_, node)), None) => reporter.report(node, "`ca.cert` without `ca.key`", help),
        (None, Some((_, node))) => reporter.report(node, "`ca.key` without `ca.cert`", help),
        _ => {}
    }
}

fn upstream<'n>(node: &'n Node, base: &Base, raw: &mut Raw<'n>, reporter: &mut Reporter<'_>) {
    const KEYS: [&str; 3] = ["extra_roots", "connect_timeout", "resolve"];
    let Some(fields) = Fields::read(node, &KEYS, "`upstream`", reporter) else {
        return;
    };
    raw.extra_roots = paths(fields.value("extra_roots"), base, reporter);
    let range = (Duration::from_millis(100), Duration::from_mins(10));
    raw.connect_timeout = values::duration(fields.value("connect_timeout"), range, reporter);
    if let Some(node) = fields.value("resolve") {
        raw.resolve = resolve(node, reporter);
    }
}

/// Names with the address that is dialled for them.
fn resolve(node: &Node, reporter: &mut Reporter<'_>) -> HashMap<Host, Pinned> {
    const HELP: &str =
        "write `\"api.example.com\": \"10.0.0.5\"`, or with a port `\"10.0.0.5:8443\"`";
    let mut pinned = HashMap::new();
    let Value::Map(members) = &node.value else {
        if node.value != Value::Null {
            reporter.wrong_type(node, "a map from host names to addresses", HELP);
        }
        return pinned;
    };
    for (key, value) in members {
        let name = match key.text().map(Host::parse) {
            Some(Ok(host)) if host.name().is_some() => Some(host),
            _ => None,
        };
        let Some(name) = name else {
            reporter.report(key, "this is not a host name", HELP);
            continue;
        };
        let Some(address) = value.text().and_then(pin) else {
            reporter.report(
                value,
                "this is not an IP address, nor one with a port",
                HELP,
            );
            continue;
        };
        if pinned.insert(name, address).is_some() {
            reporter.report(
                key,
                "this host name was given before",
                "keep one of the two",
            );
        }
    }
    pinned
}

fn pin(text: &str) -> Option<Pinned> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Pinned { ip, port: None });
    }
    let address: SocketAddr = text.parse().ok()?;
    Some(Pinned {
        ip: address.ip(),
        port: Some(address.port()),
    })
}

fn audit(node: &Node, base: &Base, raw: &mut Raw<'_>, reporter: &mut Reporter<'_>) {
    let Some(fields) = Fields::read(node, &["path", "durability"], "`audit`", reporter) else {
        return;
    };
    raw.audit_path =
        values::text(fields.value("path"), "a path", reporter).map(|(text, _)| {
            match (text, text.strip_prefix("~/"), &base.home) {
                ("-", ..) => AuditPath::Stdout,
                (_, Some(rest), Some(home)) => AuditPath::File(home.join(rest)),
                _ => AuditPath::File(PathBuf::from(text)),
            }
        });
    let choices = [
        ("written", Durability::Written),
        ("synced", Durability::Synced),
    ];
    raw.durability = values::choice(fields.value("durability"), &choices, reporter);
}

fn limits(node: &Node, raw: &mut Raw<'_>, reporter: &mut Reporter<'_>) {
    const KEYS: [&str; 3] = ["hold_body", "header_bytes", "idle"];
    let Some(fields) = Fields::read(node, &KEYS, "`limits`", reporter) else {
        return;
    };
    raw.hold_body = values::size(fields.value("hold_body"), (0, 64 << 20), reporter);
    raw.header_bytes = values::size(fields.value("header_bytes"), (8 << 10, 1 << 20), reporter);
    let range = (Duration::from_secs(1), Duration::from_hours(24));
    raw.idle = values::duration(fields.value("idle"), range, reporter);
}

fn known_secrets<'n>(node: &'n Node, base: &Base, raw: &mut Raw<'n>, reporter: &mut Reporter<'_>) {
    const KEYS: [&str; 3] = ["env", "files", "env_file"];
    let Some(fields) = Fields::read(node, &KEYS, "`known_secrets`", reporter) else {
        return;
    };
    raw.secret_env = values::texts(
        fields.value("env"),
        "names of environment variables",
        reporter,
    );
    for (name, node) in &raw.secret_env {
        if name.contains('=') {
            let message = format!("`{}` is not the name of a variable", name.escape_debug());
            reporter.report(
                node,
                message,
                "write the name alone; never a value in this file",
            );
        }
    }
    raw.secret_files = paths(fields.value("files"), base, reporter);
    raw.secret_env_file = values::path(fields.value("env_file"), base, reporter);
}

fn paths<'n>(
    node: Option<&'n Node>,
    base: &Base,
    reporter: &mut Reporter<'_>,
) -> Vec<Located<'n, PathBuf>> {
    values::texts(node, "paths", reporter)
        .into_iter()
        .map(|(text, node)| (base.resolve(text), node))
        .collect()
}

impl Raw<'_> {
    /// The typed configuration, with the contract's default for all that was not said.
    pub(super) fn into_settings(self) -> anyhow::Result<Settings> {
        let state_dir = match self.state_dir {
            Some(dir) => dir,
            None => state::default_dir()?,
        };
        let path = |(path, _): Located<'_, PathBuf>| path;
        let mut config = Config::with_state_dir(state_dir);
        config.listen.proxy = self.listen.proxy.unwrap_or(config.listen.proxy);
        config.listen.transparent = self.listen.transparent.unwrap_or(config.listen.transparent);
        config.listen.dns = self.listen.dns.unwrap_or(config.listen.dns);
        config.listen.admin = self.listen.admin.unwrap_or(config.listen.admin);
        config.ca = CaFiles {
            cert: self.ca_cert.map(path),
            key: self.ca_key.map(path),
        };
        let upstream = &mut config.upstream;
        upstream.extra_roots = self.extra_roots.into_iter().map(path).collect();
        upstream.connect_timeout = self.connect_timeout.unwrap_or(upstream.connect_timeout);
        upstream.resolve = self.resolve;
        config.policy = match self.policy {
            Some((policy, _)) => policy,
            None => self.folder.join(config.policy),
        };
        config.audit.path = self.audit_path.unwrap_or(config.audit.path);
        config.audit.durability = self.durability.unwrap_or(config.audit.durability);
        let limits = &mut config.limits;
        limits.hold_body = self.hold_body.unwrap_or(limits.hold_body);
        limits.header_bytes = self.header_bytes.unwrap_or(limits.header_bytes);
        limits.idle = self.idle.unwrap_or(limits.idle);
        config.known_secrets = KnownSecretSources {
            env: self
                .secret_env
                .into_iter()
                .map(|(name, _)| name.to_owned())
                .collect(),
            files: self.secret_files.into_iter().map(path).collect(),
            env_file: self.secret_env_file.map(path),
        };
        Ok(Settings {
            proxy: config,
            publish: self.publish,
            file: None,
        })
    }
}
