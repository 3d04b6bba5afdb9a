//! What stands in `deploy/`, held to what it promises: the manifests build, pass the published schemas, keep the
//! agent apart from what the rules exempt, and a ConfigMap that is swapped under a running proxy is read.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use egret_tests::{Exit, Setup, command, wait_for};
use serde_json::{Value, json};

#[test]
fn manifests_pass_the_published_schemas() {
    for overlay in ["base", "example"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("manifests.yaml");
        fs::write(&file, kustomize(overlay)).unwrap();
        let validate = root().join("tests/.venv/bin/kubernetes-validate");
        assert!(
            validate.exists(),
            "`{}` is missing: run `make tools`",
            validate.display()
        );
        let checked = Exit::of(Command::new(validate).arg("--strict").arg(&file));
        assert_eq!(checked.code, Some(0), "{overlay}: {checked:?}");
        assert!(
            checked.stdout.contains("deployment/agent"),
            "{overlay}: {checked:?}"
        );
    }
}

#[test]
fn the_rules_stand_before_the_sidecar_and_the_sidecar_before_the_agent() {
    let pod = pod("example");
    let names: Vec<_> = containers(&pod, "initContainers")
        .map(|c| text(c, "/name"))
        .collect();
    assert_eq!(names, ["egret-rules", "egret"]);
    let sidecar = container(&pod, "egret");
    assert_eq!(sidecar["restartPolicy"], "Always");
    assert_eq!(text(sidecar, "/startupProbe/httpGet/path"), "/readyz");
    assert_eq!(text(sidecar, "/resources/limits/memory"), "50M");
}

#[test]
fn the_agent_has_nothing_that_the_rules_exempt() {
    let pod = pod("example");
    let exempt = &container(&pod, "egret-rules")["args"][3];
    assert_eq!(
        &container(&pod, "egret")["args"][4],
        exempt,
        "the sidecar becomes whom the rules exempt"
    );
    let agent = &container(&pod, "agent")["securityContext"];
    assert_ne!(agent["runAsUser"].to_string(), exempt.as_str().unwrap());
    assert_ne!(agent["runAsUser"], 0);
    assert_eq!(agent["runAsNonRoot"], true);
    assert_eq!(agent["allowPrivilegeEscalation"], false);
    assert_eq!(agent["capabilities"], json!({ "drop": ["ALL"] }));
    assert_eq!(pod["shareProcessNamespace"], false);
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert!(pod.get("hostNetwork").is_none());
}

#[test]
fn the_key_of_the_ca_is_mounted_by_the_sidecar_alone() {
    let pod = pod("example");
    let mounts = |name: &str| -> Vec<String> {
        let mounts = container(&pod, name)["volumeMounts"].as_array().unwrap();
        mounts.iter().map(|mount| text(mount, "/name")).collect()
    };
    assert!(mounts("egret").contains(&"state".to_owned()));
    assert_eq!(mounts("agent"), ["trust"]);
    let trust = &container(&pod, "agent")["volumeMounts"][0];
    assert_eq!(trust["readOnly"], true);
}

#[test]
fn the_agent_trusts_by_every_variable_that_egret_names() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("egret.yaml");
    fs::write(
        &config,
        format!("state_dir: {}\n", folder.path().join("state").display()),
    )
    .unwrap();
    let mut env = command();
    env.args([
        "ca",
        "env",
        "--format",
        "json",
        "--folder",
        "/etc/egret-trust",
        "-c",
    ])
    .arg(config);
    let named = Exit::of(&mut env);
    assert_eq!(named.code, Some(0), "{named:?}");
    let mut named: BTreeMap<String, String> = serde_json::from_str(&named.stdout).unwrap();
    // The pod's traffic is redirected: no variable has to say where the proxy is.
    named.retain(|name, _| !name.to_lowercase().ends_with("_proxy"));

    let pod = pod("example");
    let set = container(&pod, "agent")["env"].as_array().unwrap();
    let set: BTreeMap<String, String> = set
        .iter()
        .map(|entry| (text(entry, "/name"), text(entry, "/value")))
        .collect();
    assert_eq!(set, named);
}

#[test]
fn configuration_and_policies_are_good() {
    for policy in ["base/policy.yaml", "example/policy.yaml"] {
        let checked = Exit::of(
            command()
                .args(["policy", "check"])
                .arg(kubernetes().join(policy)),
        );
        assert_eq!(checked.code, Some(0), "{policy}: {checked:?}");
    }
}

#[test]
fn a_config_map_that_is_swapped_is_read() {
    let world = Setup::open().start();
    let folder = world.directory().to_owned();
    let opened = fs::read_to_string(folder.join("policy.yaml")).unwrap();
    publish(&folder, "..2026_11_21_1", &opened);
    symlink("..data/policy.yaml", folder.join("policy.new")).unwrap();
    fs::rename(folder.join("policy.new"), folder.join("policy.yaml")).unwrap();
    assert_eq!(world.get("https://origin.test/echo").status, 200);

    publish(&folder, "..2026_11_21_2", "version: 1\ndefault: deny\n");
    let refused = wait_for("the swapped policy", || {
        let answer = world.get("https://origin.test/echo");
        (answer.status == 403).then_some(answer)
    });
    assert!(refused.text().contains("no_rule"), "{}", refused.text());
    world.finish();
}

#[test]
fn the_backstop_holds_every_pod_and_lets_the_name_service_be_asked() {
    let policy = document("example", "NetworkPolicy")["spec"].clone();
    assert_eq!(
        policy["podSelector"],
        json!({}),
        "every pod of the namespace"
    );
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    assert!(policy.get("ingress").is_none(), "nothing may come in");
    let names = &policy["egress"][0];
    let service = json!({ "matchLabels": { "k8s-app": "kube-dns" } });
    assert_eq!(names["to"][0]["podSelector"], service, "no label of ours");
    let web = policy["egress"][1]["ports"].as_array().unwrap();
    let ports: Vec<_> = web.iter().map(|port| port["port"].clone()).collect();
    assert_eq!(ports, [80, 443]);
}

/// Writes a volume as the kubelet does: a folder of its own, and one rename of the link to it.
fn publish(folder: &Path, version: &str, policy: &str) {
    fs::create_dir(folder.join(version)).unwrap();
    fs::write(folder.join(version).join("policy.yaml"), policy).unwrap();
    symlink(version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

/// The pod template of an overlay, as kustomize makes it.
fn pod(overlay: &str) -> Value {
    document(overlay, "Deployment")["spec"]["template"]["spec"].clone()
}

/// The one document of a kind.
fn document(overlay: &str, kind: &str) -> Value {
    let manifests = kustomize(overlay);
    let documents = manifests
        .split("\n---\n")
        .map(|text| serde_yaml::from_str::<Value>(text).unwrap());
    let mut found = documents.filter(|document| document["kind"] == kind);
    found.next().unwrap()
}

/// By `kubectl`, or where that is too old by what `make tools` installed in its place.
fn kustomize(overlay: &str) -> String {
    let own = root().join("tests/.tools/kustomize");
    let mut build = match own.exists() {
        true => Command::new(own),
        false => Command::new("kubectl"),
    };
    let action = if build.get_program() == "kubectl" {
        "kustomize"
    } else {
        "build"
    };
    let built = Exit::of(build.arg(action).arg(kubernetes().join(overlay)));
    assert_eq!(built.code, Some(0), "{overlay}: {built:?}");
    built.stdout
}

fn container<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let all = containers(pod, "initContainers").chain(containers(pod, "containers"));
    all.into_iter()
        .find(|container| container["name"] == name)
        .unwrap()
}

fn containers<'a>(pod: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    pod[list].as_array().unwrap().iter()
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn kubernetes() -> PathBuf {
    root().join("deploy/kubernetes")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}
