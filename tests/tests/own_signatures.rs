//! The operator's own signatures, gitleaks rules and known secrets: in force at start, and anew when a file changes.

use std::path::Path;

use egret_tests::{Exit, Setup, World, command, wait_for};

const POLICY: &str = "version: 1
signatures:
  custom:
    - { id: corp-token, name: Corp token, pattern: 'corp_[a-z0-9]{24}' }
  gitleaks: rules/gitleaks.toml
rules:
  - name: web
    hosts: [origin.test]
    cidrs: [127.0.0.0/8]
    action: allow
";

fn rules(prefix: &str) -> String {
    format!(
        "[[rules]]\nid = \"lab-key\"\nregex = '''{prefix}_[0-9a-f]{{32}}'''\n[[rules]]\nid = \"by-path\"\npath = '''x'''\n"
    )
}

/// Writes a file in one step, as editors do.
fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

fn answer(world: &World, body: &str) -> (u16, String) {
    let post = world
        .curl("https://origin.test/echo")
        .args(["--data", body]);
    let fetched = world.fetch(post);
    let found = fetched.status == 403;
    let signature = found.then(|| fetched.json()["error"]["findings"][0]["signature"].to_string());
    (fetched.status, signature.unwrap_or_default())
}

#[test]
fn own_signatures_block_and_follow_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("db-password");
    write(&secret, "first-password-of-the-database\n");
    let setup = Setup::policy(POLICY).config(&format!(
        "known_secrets: {{ files: [{}] }}\n",
        secret.display()
    ));
    let setup = setup.file("rules/gitleaks.toml", &rules("labkey"));
    let world = setup.start();
    let hex = "0123456789abcdef0123456789abcdef";
    let corp = "corp_abcdefghijklmnopqrstuvwx";
    assert_eq!(
        answer(&world, &format!("t={corp}")),
        (403, "\"corp-token\"".into())
    );
    assert_eq!(
        answer(&world, &format!("t=labkey_{hex}")),
        (403, "\"gitleaks-lab-key\"".into())
    );
    assert_eq!(answer(&world, "t=first-password-of-the-database").0, 403);
    assert_eq!(answer(&world, &format!("t=other_{hex}")).0, 200);

    // A changed rule file and a changed secret are in force without anybody asking.
    write(
        &world.directory().join("rules/gitleaks.toml"),
        &rules("other"),
    );
    wait_for("the changed rule file", || {
        (answer(&world, &format!("t=other_{hex}")).0 == 403).then_some(())
    });
    assert_eq!(answer(&world, &format!("t=labkey_{hex}")).0, 200);
    write(&secret, "second-password-of-the-database\n");
    wait_for("the changed secret", || {
        (answer(&world, "t=second-password-of-the-database").0 == 403).then_some(())
    });

    // A broken one changes nothing, and says where.
    write(&world.directory().join("rules/gitleaks.toml"), "[[rules]\n");
    let said = world.egret().process().line_with("not reloaded");
    assert!(said.contains("rules/gitleaks.toml:1:"), "{said}");
    assert_eq!(answer(&world, &format!("t=other_{hex}")).0, 403);
    assert_eq!(answer(&world, &format!("t={corp}")).0, 403);

    // All of it is on record.
    let reloads = world.egret().records_of("reload", 3);
    let result = |number: usize| {
        reloads[number]["reload"]["result"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        [result(0), result(1), result(2)],
        ["loaded", "loaded", "refused"]
    );
    assert_eq!(reloads[2]["reload"]["error"], "policy");
    assert_eq!(
        reloads[2]["reload"]["generation"],
        reloads[1]["reload"]["generation"]
    );
    world.finish();
}

#[test]
fn commands_know_the_signatures_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("rules")).unwrap();
    std::fs::write(at("rules/gitleaks.toml"), rules("labkey")).unwrap();
    std::fs::write(at("policy.yaml"), POLICY).unwrap();
    std::fs::write(
        at("egret.yaml"),
        format!(
            "state_dir: {}\npolicy: policy.yaml\n",
            at("state").display()
        ),
    )
    .unwrap();
    std::fs::write(at("text"), "x corp_abcdefghijklmnopqrstuvwx y").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = command();
        command.arg("-c").arg(at("egret.yaml")).args(arguments);
        Exit::of(command.current_dir(folder.path()))
    };
    let checked = run(&["policy", "check", "policy.yaml"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(
        checked.stderr.contains("policy.yaml:5:13") && checked.stderr.contains("by-path"),
        "{checked:?}"
    );
    let listed = run(&["signatures"]);
    assert!(
        listed.stdout.contains("corp-token") && listed.stdout.contains("gitleaks-lab-key"),
        "{listed:?}"
    );
    let scanned = run(&["scan", "text"]);
    assert_eq!(scanned.code, Some(1), "{scanned:?}");
    assert!(scanned.stdout.contains("corp-token"), "{scanned:?}");
    let url = "https://origin.test/?t=corp_abcdefghijklmnopqrstuvwx";
    let explained = run(&[
        "policy",
        "explain",
        "policy.yaml",
        "--url",
        url,
        "--address",
        "127.0.0.1",
    ]);
    assert!(
        explained.stdout.contains("secret_in_request"),
        "{explained:?}"
    );

    std::fs::write(at("rules/gitleaks.toml"), "[[rules]\n").unwrap();
    let checked = run(&["policy", "check", "policy.yaml"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(
        checked
            .stdout
            .contains("policy.yaml:5:13: rules/gitleaks.toml:1:"),
        "{checked:?}"
    );
}
