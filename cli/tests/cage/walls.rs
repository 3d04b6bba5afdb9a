//! What a caged command has not: capabilities, system calls, other processes, our state.

use crate::user::{Server, User, shown, text};
use std::process::Command;

#[test]
fn no_capability_is_left_and_none_can_be_gained() {
    let user = User::new();
    let output = user.caged("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status");
    let status = text(&output.stdout);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(
            status.contains(&format!("{set}:\t0000000000000000")),
            "{status}"
        );
    }
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(status.contains("Seccomp:\t2"), "{status}");
}

#[test]
fn only_four_socket_families_exist() {
    let user = User::new();
    let script = "
import socket, errno
def kind(family):
    for type in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try:
            socket.socket(family, type); return 'open'
        except OSError as e: last = e
    return errno.errorcode[last.errno]
print([f for f in range(0, 64) if kind(f) == 'open'])
print(sorted({kind(f) for f in range(0, 64) if f not in (1, 2, 10, 16)}))
# The kernel reads 32 bits: the upper half must not hide a family.
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
print(libc.syscall(41, ctypes.c_long((1 << 32) | 40), 1, 0), errno.errorcode[ctypes.get_errno()])
";
    let inside = user.caged_python(script);
    let expected = "[1, 2, 10, 16]\n['EAFNOSUPPORT']\n-1 EAFNOSUPPORT\n";
    assert_eq!(inside, expected);
    let outside =
        user.python("import socket; socket.socket(40, socket.SOCK_STREAM); print('vsock')");
    assert_eq!(
        outside, "vsock\n",
        "this kernel has AF_VSOCK, so the test shows something"
    );
}

#[test]
fn the_calls_that_lead_out_are_refused() {
    let user = User::new();
    let script = "
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(*arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return 'ok' if result >= 0 else errno.errorcode[ctypes.get_errno()]
buffer = ctypes.create_string_buffer(256)
print('io_uring', call(425, 4, buffer))
print('add_key', call(248, b'user', b'x', b'y', 1, -3))
print('request_key', call(249, b'user', b'x', 0, -3))
print('keyctl', call(250, 0, -3, 1))
print('TIOCSTI', call(16, 0, 0x5412, b'x'))
print('TIOCSTI with high bits', call(16, 0, (1 << 40) | 0x5412, b'x'))
print('TIOCLINUX', call(16, 0, 0x541C, b'x'))
print('x32', call(0x40000000 | 39))
";
    let inside = user.caged_python(script);
    let expected = "io_uring EPERM\nadd_key EPERM\nrequest_key EPERM\nkeyctl EPERM\nTIOCSTI EPERM\n\
                    TIOCSTI with high bits EPERM\nTIOCLINUX EPERM\nx32 ENOSYS\n";
    assert_eq!(inside, expected);
    let outside = user.python(script);
    assert!(
        outside.contains("io_uring ok") && outside.contains("add_key ok"),
        "{outside}"
    );
}

/// `int 0x80` enters the kernel with the numbers of i386, which mean other calls.
#[test]
#[cfg(target_arch = "x86_64")]
fn the_foreign_abi_kills() {
    let user = User::new();
    let script = "
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex('b814000000cd80c3'))  # mov eax, 20 (getpid); int 0x80; ret
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
print(ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0)
";
    assert_eq!(user.python(script), "True\n");
    let output = user
        .exec(&["-q"])
        .args(["python3", "-c", script])
        .output()
        .unwrap();
    use std::os::unix::process::ExitStatusExt as _;
    assert_eq!(output.status.signal(), Some(31), "{}", shown(&output));
}

#[test]
fn processes_outside_cannot_be_seen_killed_or_traced() {
    let user = User::new();
    let mut outside = Server(user.command("sleep").arg("1000").spawn().unwrap());
    let pid = outside.0.id();
    let script = format!(
        "
import ctypes, errno, os
def attempt(name, action):
    try: action(); print(name, 'ok')
    except OSError as e: print(name, errno.errorcode[e.errno])
libc = ctypes.CDLL(None, use_errno=True)
def ptrace():
    if libc.ptrace(16, {pid}, 0, 0) < 0: raise OSError(ctypes.get_errno(), '')
attempt('kill', lambda: os.kill({pid}, 9))
attempt('ptrace', ptrace)
attempt('proc', lambda: os.stat('/proc/{pid}'))
attempt('pidfd', lambda: os.pidfd_open({pid}))
print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit()) == [1, os.getpid()])
"
    );
    let inside = user.caged_python(&script);
    let expected = "kill ESRCH\nptrace ESRCH\nproc ENOENT\npidfd ESRCH\nTrue\n";
    assert_eq!(inside, expected);
    assert!(outside.0.try_wait().unwrap().is_none(), "it lives");
}

#[test]
fn process_one_cannot_be_traced_either() {
    let user = User::new();
    let inside = user.caged_python(
        "
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
print(libc.ptrace(16, 1, 0, 0), errno.errorcode[ctypes.get_errno()])
try: print(os.listdir('/proc/1/fd'))
except OSError as e: print(errno.errorcode[e.errno])
os.kill(1, 9); os.kill(1, 15); print('alive')
",
    );
    assert_eq!(inside, "-1 EPERM\nEACCES\nalive\n");
}

#[test]
fn the_key_and_the_records_are_not_there_and_the_policy_cannot_be_changed() {
    let user = User::new();
    let output = user.caged(
        "find ~/.local/state/egret -type f | sort; echo 'default: allow' >> policy.yaml; rm -f policy.yaml; \
         mv policy.yaml elsewhere; echo 'x' > new; mv new policy.yaml; cat policy.yaml",
    );
    let state = user.state();
    let trust = |name: &str| format!("{}/trust/{name}\n", state.display());
    let expected = trust("bundle.pem")
        + &trust("ca.pem")
        + &trust("truststore.p12")
        + "version: 1\ndefault: deny\n";
    assert_eq!(text(&output.stdout), expected, "{}", shown(&output));
    assert!(state.join("ca.key").exists() && state.join("audit.d").exists());
}

#[test]
fn a_given_key_is_hidden_and_what_others_trust_cannot_be_changed() {
    let user = User::new();
    let keys = user.home().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let authority =
        egret_certs::Authority::generate(std::time::SystemTime::now(), [7; 16]).unwrap();
    std::fs::write(keys.join("ca.pem"), authority.cert_pem()).unwrap();
    std::fs::write(keys.join("ca.key"), authority.key_pem()).unwrap();
    let config = "ca: { cert: ../home/keys/ca.pem, key: ../home/keys/ca.key }\n";
    std::fs::write(user.project().join("egret.yaml"), config).unwrap();
    user.own_everything();
    let output = user.caged(
        "cat ~/keys/ca.key; rm -f ~/keys/ca.key; cat ~/keys/ca.key; echo x >> \"$SSL_CERT_FILE\"; \
         mv \"$SSL_CERT_FILE\" x; echo x >> egret.yaml; head -1 \"$SSL_CERT_FILE\"",
    );
    let seen = text(&output.stdout);
    assert_eq!(seen, "-----BEGIN CERTIFICATE-----\n", "{}", shown(&output));
    assert!(
        std::fs::read_to_string(keys.join("ca.key"))
            .unwrap()
            .contains("PRIVATE")
    );
    assert_eq!(
        std::fs::read_to_string(user.project().join("egret.yaml")).unwrap(),
        config
    );
}

#[test]
fn every_runtime_is_told_whom_to_trust_and_browsers_by_a_copy() {
    let user = User::new();
    let output = user.caged("env; certutil -L -d sql:$HOME/.pki/nssdb");
    let seen = text(&output.stdout);
    for name in [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "AWS_CA_BUNDLE",
        "PIP_CERT",
        "CARGO_HTTP_CAINFO",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "NIX_SSL_CERT_FILE",
        "npm_config_cafile",
        "JAVA_TOOL_OPTIONS",
        "NODE_EXTRA_CA_CERTS",
        "DENO_CERT",
        "NODE_USE_ENV_PROXY",
        "HTTP_PROXY",
        "https_proxy",
    ] {
        assert!(
            seen.lines()
                .any(|line| line.starts_with(&format!("{name}="))),
            "{name}: {seen}"
        );
    }
    let trusted = seen
        .lines()
        .any(|line| line.starts_with("Egret ") && line.trim().ends_with("C,,"));
    assert!(trusted, "{}", shown(&output));
    let outside = std::fs::read_dir(user.home().join(".pki/nssdb"))
        .unwrap()
        .count();
    assert_eq!(outside, 0, "the browser outside trusts nobody new");
}

#[test]
fn java_reads_the_truststore() {
    let user = User::new();
    let output = user.caged(
        "keytool -list -keystore ~/.local/state/egret/trust/truststore.p12 -storepass changeit -alias egret",
    );
    assert!(
        text(&output.stdout).contains("trustedCertEntry"),
        "{}",
        shown(&output)
    );
}

#[test]
fn covers_cannot_be_taken_off_not_even_as_root_of_a_namespace() {
    let user = User::new();
    let state = user.state();
    let state = state.display();
    let uncover = format!(
        "id -u; for p in /run /proc {state} {state}/trust; do umount $p; umount -l $p; done; mount --move /run /mnt; \
         mount -o remount,rw /run; mount --bind / /mnt; ls /mnt/run /mnt{state}; ls /run {state}; cat /mnt{state}/ca.key"
    );
    for flags in [
        "-Ur",
        "-Urm",
        "-Urmpf",
        "-Urmpfn",
        "-Urmn --propagation slave",
    ] {
        let output = user.caged(&format!("unshare {flags} sh -c '{uncover}'"));
        let seen = text(&output.stdout);
        assert!(seen.starts_with("0\n"), "root inside: {}", shown(&output));
        assert!(
            !seen.contains("ca.key") && !seen.contains("PRIVATE"),
            "{}",
            shown(&output)
        );
        assert!(!seen.contains("audit"), "{}", shown(&output));
    }
}

#[test]
fn strays_are_closed_and_pipes_are_not() {
    let user = User::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "exec 5<>/dev/tcp/127.0.0.1/{port} 6</run 7< <(echo from the pipe) 8</etc/passwd; \
         exec '{}' exec -q -- bash -c 'cat <&7; ls /proc/self/fd; head -c0 <&8 && echo file; echo x >&5; ls -l /proc/self/fd/'",
        user.program().display()
    );
    let output = user.command("bash").args(["-c", &script]).output().unwrap();
    let seen = text(&output.stdout);
    assert!(seen.starts_with("from the pipe\n"), "{}", shown(&output));
    assert!(seen.contains("file\n"), "{}", shown(&output));
    assert!(
        !seen.contains("socket:") && !seen.contains("/run\n"),
        "{}",
        shown(&output)
    );
    assert!(
        text(&output.stderr).contains("5: Bad file descriptor"),
        "{}",
        shown(&output)
    );
}

#[test]
fn a_working_directory_below_a_cover_is_refused_with_a_reason() {
    let user = User::new();
    let output = user
        .exec(&["-q"])
        .args(["ls", ".."])
        .current_dir("/run/lock")
        .output()
        .unwrap();
    // It exists inside as well, empty: and `..` is the cover, not what lies under it.
    assert!(
        !text(&output.stdout).contains("systemd"),
        "{}",
        shown(&output)
    );
    let folder = user.state();
    Command::new("mkdir")
        .arg("-p")
        .arg(folder.join("deep"))
        .status()
        .unwrap();
    user.own_everything();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::copy(
        user.project().join("policy.yaml"),
        folder.join("deep/policy.yaml"),
    )
    .unwrap();
    let output = user
        .exec(&["-q"])
        .arg("ls")
        .current_dir(folder.join("deep"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", shown(&output));
    assert!(
        text(&output.stderr).contains("cannot be entered inside the cage"),
        "{}",
        shown(&output)
    );
}
