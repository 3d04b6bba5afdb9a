//! Where user namespaces are forbidden: an error for the user, no hindrance for root.
//!
//! Forbidding is done in a user namespace of the test's own, which has its own count of how many may be made.

use crate::user::{User, shown, text};

/// Root keeps its state in /var/lib/egret, which the root of a user namespace may not write.
fn with_own_state() -> User {
    let user = User::new();
    std::fs::write(
        user.project().join("egret.yaml"),
        "state_dir: ../home/state\n",
    )
    .unwrap();
    user
}

#[test]
fn where_user_namespaces_are_forbidden_the_error_says_what_to_enable() {
    let user = with_own_state();
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all '{}' exec -- true",
        user.program().display()
    );
    let output = user
        .command("unshare")
        .args(["-Ur", "sh", "-c", &script])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", shown(&output));
    let said = text(&output.stderr);
    assert!(
        said.contains("sudo sysctl user.max_user_namespaces="),
        "{said}"
    );
}

#[test]
fn root_works_without_user_namespaces_and_has_no_power_inside() {
    let user = with_own_state();
    let probe = "grep CapEff /proc/self/status; id -u; touch /proc/sys/kernel/core_pattern; \
                 echo x > /proc/sys/kernel/core_pattern; ls /dev; \
                 curl -s -m 20 -o /dev/null -w '%{http_code}' --noproxy '*' http://1.1.1.1/";
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces; exec '{}' exec -q -- sh -c \"$PROBE\"",
        user.program().display()
    );
    let output = user
        .command("unshare")
        .args(["-Urmpf", "--mount-proc", "sh", "-c", &script])
        .env("PROBE", probe)
        .output()
        .unwrap();
    let seen = text(&output.stdout);
    assert!(
        seen.starts_with("CapEff:\t0000000000000000\n0\n"),
        "{}",
        shown(&output)
    );
    assert!(seen.ends_with("403"), "{}", shown(&output));
    assert!(!seen.contains("sda") && !seen.contains("kmsg"), "{seen}");
    assert!(
        text(&output.stderr).contains("Read-only file system"),
        "{}",
        shown(&output)
    );
}
