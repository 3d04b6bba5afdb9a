//! The walls of the house, held by a test: which crate may import which, what the pure crates may not know, and
//! which one file may refuse, dial, write the audit log, or run a command.
//!
//! It reads `cargo metadata` and the sources. It needs no network and starts nothing of Egret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each crate and the crates of ours that it may import. `tests` and `benches` may import anything.
const ARROWS: &[(&str, &[&str])] = &[
    ("egret-scanners", &[]),
    ("egret-certs", &[]),
    ("egret-iptables", &[]),
    ("egret-policies", &["egret-scanners"]),
    ("egret-audit", &["egret-policies"]),
    (
        "egret-proxy",
        &[
            "egret-audit",
            "egret-policies",
            "egret-scanners",
            "egret-certs",
        ],
    ),
    (
        "egret",
        &[
            "egret-proxy",
            "egret-iptables",
            "egret-audit",
            "egret-policies",
            "egret-scanners",
            "egret-certs",
        ],
    ),
];

/// Crates for which time, randomness and the world are arguments.
const PURE: &[&str] = &["scanners", "policies", "certs"];

/// What a pure crate may not have below it, however far down.
const IMPURE_CRATES: &[&str] = &[
    "tokio",
    "hyper",
    "h2",
    "mio",
    "socket2",
    "rustls",
    "notify",
    "async-std",
    "smol",
    "reqwest",
];

/// What the source of a pure crate may not name, and why.
const IMPURE_WORDS: &[(&str, &str)] = &[
    ("std::fs", "a file"),
    ("std::env", "the environment"),
    ("std::process", "a process"),
    ("std::thread", "a thread"),
    ("TcpStream", "a socket"),
    ("TcpListener", "a socket"),
    ("UdpSocket", "a socket"),
    ("UnixStream", "a socket"),
    ("ToSocketAddrs", "a resolver"),
    ("Instant::now", "a clock"),
    ("SystemTime::now", "a clock"),
    ("std::time::Instant", "a clock"),
    ("thread_rng", "randomness"),
    ("getrandom", "randomness"),
];

/// Crates that may not be anywhere in the graph: one crypto provider, one TLS stack, nothing archived.
const BANNED: &[&str] = &[
    "ring",
    "openssl",
    "openssl-sys",
    "native-tls",
    "rustls-pemfile",
    "serde_yml",
];

type Names = &'static [&'static str];
type Deed = (&'static str, Names, Names, Names);

/// Deeds that have one place. The words, the crates that are searched, and the files that may.
const DEEDS: &[Deed] = &[
    (
        "refuses",
        &["egret_denied", "StatusCode::FORBIDDEN"],
        &["proxy"],
        &["gate.rs"],
    ),
    (
        "dials",
        &["TcpStream::connect", "TcpSocket::", "TlsConnector"],
        &["proxy"],
        &["upstream.rs"],
    ),
    // Who appends to it is held by the proxy's own tests: `append` is a word of header maps too.
    (
        "opens the audit log",
        &["Writer::start", "Log::open"],
        &["proxy"],
        &["proxy.rs"],
    ),
    (
        "executes a command",
        &["Command::new", "process::Command"],
        &[
            "proxy", "scanners", "certs", "policies", "iptables", "audit",
        ],
        &["run.rs"],
    ),
];

#[test]
fn a_crate_imports_only_what_its_arrow_allows() {
    let metadata = metadata();
    let mut broken = Vec::new();
    for (name, allowed) in ARROWS {
        for dependency in direct_dependencies(&metadata, name) {
            let ours = dependency == "egret" || dependency.starts_with("egret-");
            if ours && !allowed.contains(&dependency.as_str()) {
                broken.push(format!("{name} -> {dependency}"));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "arrows that the design does not have: {broken:?}"
    );
}

#[test]
fn every_crate_has_its_arrow() {
    let metadata = metadata();
    let members: BTreeSet<&str> = array(&metadata["workspace_members"])
        .filter_map(|id| package(&metadata, id.as_str()?)?["name"].as_str())
        .filter(|name| !["egret-tests", "egret-benches"].contains(name))
        .collect();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        members, known,
        "a new crate needs a row in ARROWS and a place in ARCHITECTURE.md"
    );
}

#[test]
fn nothing_imports_the_command_or_the_tests() {
    let metadata = metadata();
    for importer in array(&metadata["packages"]) {
        for dependency in array(&importer["dependencies"]).filter(|d| d["path"].is_string()) {
            let name = dependency["name"].as_str().unwrap();
            assert!(
                !["egret", "egret-tests", "egret-benches"].contains(&name),
                "{} imports {name}",
                importer["name"],
            );
        }
    }
}

#[test]
fn pure_crates_have_no_runtime_below_them() {
    let metadata = metadata();
    for crate_name in PURE {
        let below = everything_below(&metadata, &format!("egret-{crate_name}"));
        for impure in IMPURE_CRATES {
            assert!(!below.contains(*impure), "{crate_name} reaches {impure}");
        }
    }
    let below = everything_below(&metadata, "egret-audit");
    assert!(!below.contains("tokio"), "audit knows std::io only");
}

#[test]
fn pure_crates_do_not_ask_the_world() {
    let mut broken = String::new();
    for crate_name in PURE {
        for (path, code) in sources(crate_name) {
            for (word, what) in IMPURE_WORDS {
                for number in lines_with(&code, word) {
                    writeln!(broken, "{}:{number} asks {what}: {word}", path.display()).unwrap();
                }
            }
        }
    }
    assert!(
        broken.is_empty(),
        "time, randomness and the world are arguments here:\n{broken}"
    );
}

#[test]
fn each_deed_has_one_place() {
    let mut broken = String::new();
    for (deed, words, crates, places) in DEEDS {
        for (path, code) in crates.iter().flat_map(|name| sources(name)) {
            if places.contains(&file_name(&path)) {
                continue;
            }
            for (word, number) in words
                .iter()
                .flat_map(|word| lines_with(&code, word).map(move |n| (word, n)))
            {
                writeln!(broken, "{}:{number} {deed}: {word}", path.display()).unwrap();
            }
        }
    }
    assert!(
        broken.is_empty(),
        "these deeds have one place each:\n{broken}"
    );
}

#[test]
fn the_graph_holds_one_crypto_provider_and_one_tls_stack() {
    // Not from `cargo metadata`: it also lists optional dependencies that no feature asks for.
    let arguments = [
        "tree",
        "--workspace",
        "--locked",
        "--target",
        "all",
        "--prefix",
        "none",
    ];
    let tree = cargo(
        &[
            &arguments[..],
            &["--edges", "normal,build,dev", "--no-dedupe"],
        ]
        .concat(),
    );
    let linked: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for banned in BANNED {
        assert!(
            !linked.contains(banned),
            "{banned} is in the dependency graph"
        );
    }
    assert!(
        linked.contains("aws-lc-rs"),
        "the oracle reads the graph it thinks it reads"
    );
}

#[test]
fn functions_stay_short() {
    const LONG: usize = 60;
    let mut lengths: Vec<(usize, String)> = ARROWS
        .iter()
        .map(|(name, _)| {
            if *name == "egret" {
                "cli"
            } else {
                &name["egret-".len()..]
            }
        })
        .flat_map(sources)
        .flat_map(|(path, code)| functions(&path, &code))
        .collect();
    lengths.sort_unstable_by(|left, right| right.cmp(left));
    let long = lengths.iter().filter(|(lines, _)| *lines > LONG).count();
    let longest = lengths
        .iter()
        .take(5)
        .map(|(lines, name)| format!("{lines:4} {name}\n"));
    println!(
        "{} functions, {long} over {LONG} lines, the longest:\n{}",
        lengths.len(),
        longest.collect::<String>(),
    );
    assert!(
        long * 50 <= lengths.len(),
        "{long} of {} functions are too long",
        lengths.len()
    );
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn metadata() -> Value {
    let text = cargo(&["metadata", "--format-version", "1", "--locked"]);
    serde_json::from_str(&text).expect("cargo metadata is JSON")
}

fn cargo(arguments: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo
        .args(arguments)
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn package<'a>(metadata: &'a Value, id: &str) -> Option<&'a Value> {
    array(&metadata["packages"]).find(|package| package["id"] == id)
}

/// Names of what `name` imports outside its own tests.
fn direct_dependencies(metadata: &Value, name: &str) -> Vec<String> {
    let package = array(&metadata["packages"]).find(|package| package["name"] == name);
    let package = package.unwrap_or_else(|| panic!("no package {name}"));
    array(&package["dependencies"])
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Names of everything that is linked into `name`.
fn everything_below(metadata: &Value, name: &str) -> BTreeSet<String> {
    let nodes: BTreeMap<&str, &Value> = array(&metadata["resolve"]["nodes"])
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let root = array(&metadata["packages"])
        .find(|package| package["name"] == name)
        .unwrap();
    let mut waiting = vec![root["id"].as_str().unwrap()];
    let mut reached = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        for dependency in array(&nodes[id]["deps"]) {
            let linked = array(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
            let id = dependency["pkg"].as_str().unwrap();
            if linked && reached.insert(id) {
                waiting.push(id);
            }
        }
    }
    let names = reached
        .iter()
        .map(|id| package(metadata, id).unwrap()["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

/// The sources of one crate: path within the workspace, and the code without comments and without its tests.
fn sources(crate_name: &str) -> Vec<(PathBuf, String)> {
    let root = workspace();
    let mut folders = vec![root.join(crate_name).join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let test = path.file_stem().is_some_and(|stem| stem == "tests");
            if path.is_dir() && !test {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !test {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((
                    path.strip_prefix(&root).unwrap().to_owned(),
                    code_only(&text),
                ));
            }
        }
    }
    assert!(!found.is_empty(), "{crate_name} has sources");
    found
}

/// Keeps line numbers: comment lines become empty, and everything from `#[cfg(test)]` before a module on is cut.
fn code_only(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next_is_module = lines
            .peek()
            .is_some_and(|next| next.trim().starts_with("mod "));
        if line.trim() == "#[cfg(test)]" && next_is_module {
            // `mod tests;` on one line leaves code after it; a module with a body is the end of the file.
            if lines.peek().is_some_and(|next| next.ends_with(';')) {
                lines.next();
                code.push_str("\n\n");
                continue;
            }
            break;
        }
        if !line.trim_start().starts_with("//") {
            code.push_str(line);
        }
        code.push('\n');
    }
    code
}

fn lines_with<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let with = code
        .lines()
        .enumerate()
        .filter(move |(_, line)| line.contains(word));
    with.map(|(index, _)| index + 1)
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

/// Functions with their length in lines. The sources are formatted, so one ends at the `}` below its `fn`.
fn functions(path: &Path, code: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some(name) = function_name(line.trim_start()) else {
            continue;
        };
        let closing = format!("{}}}", " ".repeat(indent));
        let body = lines[start..].iter().take_while(|line| {
            !line.trim_end().ends_with(';') || line.len() - line.trim_start().len() > indent
        });
        if let Some(length) = body.clone().position(|line| **line == closing) {
            found.push((
                length + 1,
                format!("{}:{} {name}", path.display(), start + 1),
            ));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    const BEFORE: &[&str] = &[
        "pub",
        "pub(crate)",
        "pub(super)",
        "const",
        "async",
        "unsafe",
    ];
    let mut words = line.split_inclusive(' ');
    let mut rest = line;
    for word in words.by_ref() {
        rest = &rest[word.len()..];
        match word.trim() {
            "fn" => return rest.split(['(', '<']).next(),
            before if BEFORE.contains(&before) || before.starts_with("pub(in") => {}
            _ => return None,
        }
    }
    None
}
