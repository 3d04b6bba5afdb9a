//! Bad input at the start: each gets one clear sentence with the next step, exit code 2, and nothing is lost.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use egret_tests::{Curl, Egret, Exit, Setup, command};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const POLICY: &str = "version: 1\ndefault: deny\n";

/// A folder with an `egret.yaml` of these lines and a policy.
fn folder(config: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let text = format!(
        "listen: {{ proxy: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", transparent: null, dns: null }}\n\
         state_dir: {}\n{config}",
        path.join("state").display(),
    );
    std::fs::write(path.join("egret.yaml"), text).unwrap();
    std::fs::write(path.join("policy.yaml"), POLICY).unwrap();
    (folder, path)
}

/// `egret run` must fail with code 2 and say all of these words, in a few lines.
fn refused(folder: &Path, words: &[&str]) {
    let exit = Exit::of(&mut Egret::command(folder));
    assert_eq!(exit.code, Some(2), "{exit:?}");
    for word in words {
        assert!(
            exit.stderr.contains(word),
            "`{word}` is not in: {}",
            exit.stderr
        );
    }
    assert!(!exit.stderr.contains("panicked"), "{}", exit.stderr);
    assert!(exit.stderr.lines().count() <= 20, "{}", exit.stderr);
}

#[test]
fn an_unknown_flag_or_command_is_told_what_there_is() {
    for arguments in [&["run", "--frob"][..], &["fly"], &["audit", "frob"], &[]] {
        let exit = Exit::of(command().args(arguments));
        assert_eq!(exit.code, Some(2), "{arguments:?}: {exit:?}");
        assert!(exit.stderr.contains("Usage"), "{arguments:?}: {exit:?}");
    }
}

#[test]
fn every_command_explains_itself() {
    for name in [
        "run", "exec", "demo", "scan", "policy", "iptables", "ca", "audit",
    ] {
        let exit = Exit::of(command().args([name, "--help"]));
        assert_eq!(exit.code, Some(0), "{name}: {exit:?}");
        assert!(exit.stdout.lines().count() > 8, "{name}: {}", exit.stdout);
    }
}

#[test]
fn a_missing_configuration_is_named() {
    let exit = Exit::of(command().args(["run", "-c", "/nonexistent/egret.yaml"]));
    assert_eq!(exit.code, Some(2), "{exit:?}");
    assert!(
        exit.stderr.contains("/nonexistent/egret.yaml"),
        "{}",
        exit.stderr
    );
}

#[test]
fn a_mistake_in_the_configuration_has_its_place() {
    let (_folder, path) = folder("audit: { durabilty: synced }\nlimits: { idle: fast }\n");
    refused(
        &path,
        &[
            "egret.yaml:3:",
            "durabilty",
            "durability",
            "egret.yaml:4:",
            "idle",
        ],
    );
}

#[test]
fn a_missing_policy_is_named() {
    let (_folder, path) = folder("");
    std::fs::remove_file(path.join("policy.yaml")).unwrap();
    refused(&path, &["policy.yaml", "version: 1"]);
}

#[test]
fn a_mistake_in_the_policy_has_its_place() {
    let (_folder, path) = folder("");
    std::fs::write(
        path.join("policy.yaml"),
        "version: 1\nrules:\n  - name: a\n    hosts: []\n    action: perhaps\n",
    )
    .unwrap();
    refused(&path, &["policy.yaml:4:", "policy.yaml:5:", "perhaps"]);
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (_folder, path) = folder("");
    let config = std::fs::read_to_string(path.join("egret.yaml")).unwrap();
    std::fs::write(
        path.join("egret.yaml"),
        config.replacen("127.0.0.1:0", &address, 1),
    )
    .unwrap();
    refused(&path, &[&address, "listen.proxy"]);
}

#[test]
fn a_ca_without_its_key_or_beyond_its_time_is_refused() {
    let (_folder, path) = folder("ca: { cert: old.pem, key: old.key }\n");
    refused(&path, &["old.pem"]);

    let made = Exit::of(
        std::process::Command::new("openssl")
            .current_dir(&path)
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                "/CN=old",
                "-keyout",
                "old.key",
                "-out",
                "old.pem",
                "-not_before",
                "20200101000000Z",
                "-not_after",
                "20200201000000Z",
                "-addext",
                "basicConstraints=critical,CA:TRUE",
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign",
            ]),
    );
    // OpenSSL before 3.4 cannot backdate a certificate in one step.
    if made.code != Some(0) {
        expired_by_ca(&path);
    }
    refused(&path, &["expired"]);
}

/// An expired CA certificate by `openssl ca`, which could always choose the dates.
fn expired_by_ca(path: &Path) {
    let script = "
        set -e
        openssl ecparam -name prime256v1 -genkey -noout -out old.ec
        openssl pkcs8 -topk8 -nocrypt -in old.ec -out old.key
        openssl req -new -key old.key -subj /CN=old -out old.csr
        printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index\\nserial=serial\\nnew_certs_dir=.\\npolicy=p\\ndefault_md=sha256\\n[p]\\ncommonName=supplied\\n[e]\\nbasicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign,cRLSign\\nsubjectKeyIdentifier=hash\\n' > conf
        touch index; echo 01 > serial
        openssl ca -batch -selfsign -config conf -extensions e -keyfile old.key -in old.csr -out old.pem -notext \
            -startdate 20200101000000Z -enddate 20200201000000Z
    ";
    let made = Exit::of(
        std::process::Command::new("sh")
            .current_dir(path)
            .args(["-c", script]),
    );
    assert_eq!(made.code, Some(0), "{made:?}");
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let world = Setup::policy(POLICY).start();
    let directory = world.directory().to_owned();
    let ca = Exit::of(
        command()
            .args(["ca", "show", "-c"])
            .arg(directory.join("egret.yaml")),
    );
    assert_eq!(ca.code, Some(0), "{ca:?}");
    let (_folder, path) = folder("");
    std::fs::create_dir(path.join("state")).unwrap();
    std::fs::set_permissions(path.join("state"), std::fs::Permissions::from_mode(0o777)).unwrap();
    refused(&path, &["state"]);
    world.finish();
}

#[test]
fn two_proxies_do_not_share_one_log() {
    let world = Setup::policy(POLICY).start();
    let exit = Exit::of(&mut Egret::command(world.directory()));
    assert_eq!(exit.code, Some(2), "{exit:?}");
    assert!(
        exit.stderr.contains("state") || exit.stderr.contains("audit"),
        "{}",
        exit.stderr
    );
    world.finish();
}

/// What systemd and containers give as standard output cannot always be opened by its name.
#[test]
fn records_on_a_standard_output_that_is_a_socket_are_written() {
    let (_folder, path) = folder("audit: { path: \"-\" }\n");
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut run = Egret::command(&path);
    let mut egret = run
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It would keep the other end open.
    drop(run);
    let mut said = BufReader::new(egret.stderr.take().unwrap()).lines();
    let ready = said.find_map(|line| {
        line.unwrap()
            .split_once("proxy=127.0.0.1:")
            .map(|(_, rest)| rest.to_owned())
    });
    let ready = ready.expect("it says that it is ready");
    let port = ready.split_whitespace().next().unwrap().parse().unwrap();
    for _ in 0..2 {
        let refused = Curl::through("http://a.test/", Path::new("/dev/null"), port).run();
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert_eq!(refused.json()["error"]["code"], "no_rule");
    }
    let pid = Pid::from_raw(egret.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(egret.wait().unwrap().success());
    let log = path.join("log");
    std::io::copy(&mut &ours, &mut std::fs::File::create(&log).unwrap()).unwrap();
    let verified = Exit::of(command().args(["audit", "verify"]).arg(&log));
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(std::fs::read_to_string(log).unwrap().lines().count() >= 2);
}

#[test]
fn a_log_that_was_tampered_with_is_told() {
    let world = Setup::policy(POLICY).start();
    for _ in 0..3 {
        assert_eq!(world.get("http://plain.test/").status, 403);
    }
    let copy = world.directory().join("copy.jsonl");
    let text = std::fs::read_to_string(world.egret().audit()).unwrap();
    std::fs::write(&copy, text.replacen("plain.test", "plaid.test", 2)).unwrap();
    let verified = Exit::of(command().args(["audit", "verify"]).arg(&copy));
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(
        format!("{verified:?}").contains("line 1") || format!("{verified:?}").contains(":1"),
        "{verified:?}"
    );
    world.finish();
}
