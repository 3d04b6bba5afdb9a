//! Kill, tear, fill and steal the log: what was acknowledged is in it, and the chain goes on.
//!
//! The process that is killed or starved is this test binary itself, started again for the one
//! test `victim`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use egret_audit::{
    AuditError, BreakKind, Durability, Log, OpenError, Record, verify, verify_after,
};
use support::{append, draft, time, write_log, writer};

const LOG: &str = "EGRET_TEST_AUDIT_LOG";

/// Appends under load for ever and reports each answer as a line on its standard output, with the number of the
/// thread that got it: only the lines of one thread stand in the order of the answers.
#[test]
#[ignore = "the process that the other tests kill"]
fn victim() {
    let path = std::env::var_os(LOG).expect("started by another test");
    let writer = writer(Path::new(&path));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let writer = &writer;
            scope.spawn(move || {
                loop {
                    let answer = append(writer, draft());
                    let word = answer.map_or_else(|_| "-".to_owned(), |seq| seq.to_string());
                    // One write: lines of four threads must not mix.
                    std::io::stdout()
                        .lock()
                        .write_all(format!("answer {thread} {word}\n").as_bytes())
                        .unwrap();
                    if word == "-" {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                }
            });
        }
    });
}

/// Opens the log. A process that another test is just starting holds the lock, too, until it
/// becomes the other program: locks belong to the open file, which it inherits.
fn open(path: &Path) -> Result<Log, OpenError> {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        match Log::open(path, Durability::Written, time()) {
            Err(OpenError::Locked) if Instant::now() < patience => std::thread::yield_now(),
            opened => return opened,
        }
    }
}

/// How many threads of the victim append.
const THREADS: usize = 4;

/// One answer of the writer to one thread of the victim.
struct Answer {
    thread: usize,
    /// `None`: refused.
    seq: Option<u64>,
}

struct Victim {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Victim {
    /// Starts it, with a shell's preparation before.
    fn start(path: &Path, preparation: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let script = format!(
            "{preparation} exec \"$0\" --exact victim --ignored --nocapture --test-threads 1"
        );
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .arg(program)
            .env(LOG, path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// The next answer, `None` at the end.
    fn answer(&mut self) -> Option<Answer> {
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
                return None;
            }
            // The harness writes words of its own, also before ours.
            let answer = line
                .split_once("answer ")
                .and_then(|(_, told)| told.trim().split_once(' '));
            if let Some((thread, seq)) = answer {
                return Some(Answer {
                    thread: thread.parse().unwrap(),
                    seq: seq.parse().ok(),
                });
            }
        }
    }

    /// The next answer, which must be the number of a record in the log.
    fn number(&mut self) -> u64 {
        let answer = self.answer().expect("the victim lives");
        answer.seq.expect("the log can be written")
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn records(path: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| Record::parse(line).unwrap())
        .collect()
}

fn check(path: &Path) -> u64 {
    verify(BufReader::new(std::fs::File::open(path).unwrap()))
        .unwrap()
        .records
}

#[test]
fn kill_9_under_load_loses_no_acknowledged_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut highest = 0;
    for round in 1..=5u64 {
        let mut victim = Victim::start(&path, "");
        for _ in 0..200 * round {
            highest = highest.max(victim.number());
        }
        victim.kill();
        while let Some(Answer { seq: Some(seq), .. }) = victim.answer() {
            highest = highest.max(seq);
        }
        // Reopening verifies the whole chain and repairs a torn end.
        let last = open(&path).unwrap().last().0;
        assert!(
            last >= highest,
            "round {round}: {highest} was acknowledged, {last} is there"
        );
        assert_eq!(check(&path), last);
    }
}

#[test]
fn a_torn_end_is_cut_off_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    write_log(&path, 3);
    let whole = std::fs::read(&path).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for keep in [second + 1, second + 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..keep]).unwrap();
        let log = open(&path).unwrap();
        drop(log);
        let found = records(&path);
        let repair = found.last().unwrap();
        assert_eq!(repair.event, "repair");
        let told = repair.to_string();
        assert!(told.ends_with(" bytes was replaced"), "{told}");
        assert_eq!(check(&path), found.len() as u64);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"repair\":{\"discarded_bytes\":"), "{text}");
    }
}

#[test]
fn zeros_after_a_loss_of_power_are_a_torn_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    write_log(&path, 2);
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    file.write_all(&[0; 4096]).unwrap();
    drop(file);
    drop(open(&path).unwrap());
    assert_eq!(records(&path).last().unwrap().event, "repair");
    assert_eq!(check(&path), 3);
}

#[test]
fn a_broken_chain_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    write_log(&path, 3);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("deny", "DENY", 1)).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Broken(_)), "{error}");
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn a_log_has_one_writer_and_is_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let first = open(&path).unwrap();
    let second = Log::open(&path, Durability::Written, time()).unwrap_err();
    assert!(matches!(second, OpenError::Locked), "{second}");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    drop(first);
    open(&path).unwrap();
}

#[test]
fn a_full_disk_refuses_every_record_and_resumes_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    // A limit on the size of files is a full disk that can be emptied from outside.
    let mut victim = Victim::start(&path, "trap '' XFSZ; ulimit -S -f 64;");
    let (mut highest, mut refused) = (0, 0);
    let mut starved = [false; THREADS];
    // Not before every thread has been refused: one of them may still have to say what it was given before.
    while starved.contains(&false) {
        let Answer { thread, seq } = victim.answer().expect("the victim lives");
        starved[thread] |= seq.is_none();
        refused += u64::from(seq.is_none());
        highest = highest.max(seq.unwrap_or(0));
    }
    let while_full = std::fs::metadata(&path).unwrap().size();
    let pid = victim.child.id().to_string();
    let freed = Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited:"])
        .status();
    assert!(freed.expect("prlimit (util-linux) is installed").success());
    let since = Instant::now();
    let resumed = loop {
        match victim.answer().expect("the victim lives").seq {
            Some(seq) if seq > highest => break seq,
            Some(_) => {}
            None => refused += 1,
        }
    };
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "{:?}",
        since.elapsed()
    );
    victim.kill();
    drop(open(&path).unwrap());
    assert!(while_full > 0 && check(&path) >= resumed);
    // The rest of a full disk may have room for the record of a gap and for nothing else: then there are several.
    let found = records(&path);
    let gaps: Vec<_> = found
        .iter()
        .filter(|record| record.event == "gap")
        .collect();
    assert!(!gaps.is_empty(), "nothing tells of the outage");
    for gap in &gaps {
        let told = gap.to_string();
        assert!(told.contains(" refused, 0 kept, 0 lost since 20"), "{told}");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let counts = text.match_indices("\"refused\":").map(|(place, key)| {
        let count = &text[place + key.len()..];
        let end = count.find(',').unwrap();
        count[..end].parse::<u64>().unwrap()
    });
    let counts: Vec<u64> = counts.collect();
    assert_eq!(counts.len(), gaps.len());
    assert!(!counts.contains(&0), "{counts:?}");
    // Who is refused at the very end of an outage is counted in the record of the next one.
    let counted = counts.iter().sum::<u64>() + THREADS as u64;
    assert!(counted >= refused, "{counts:?}, {refused} were refused");
}

#[test]
fn a_device_that_is_always_full_answers_at_once() {
    let writer = writer(Path::new("/dev/full"));
    let started = Instant::now();
    for _ in 0..100 {
        let error = append(&writer, draft()).unwrap_err();
        assert!(matches!(error, AuditError::Unavailable(_)), "{error}");
        assert!(!writer.is_available());
    }
    assert!(started.elapsed() < Duration::from_secs(1));
    writer.close();
    assert!(matches!(
        append(&writer, draft()),
        Err(AuditError::Unavailable(_) | AuditError::Closed)
    ));
}

#[test]
fn a_log_that_was_removed_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let writer = writer(&path);
    append(&writer, draft()).unwrap();
    std::fs::remove_file(&path).unwrap();
    append(&writer, draft()).unwrap();
    writer.close();
    assert_eq!(records(&path)[0].event, "rotation");
    let told = records(&path)[0].to_string();
    assert!(
        told.contains(" continues the file that ends with #"),
        "{told}"
    );
    assert_eq!(check(&path), 2);
}

#[test]
fn a_log_that_was_moved_is_continued_in_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let writer = writer(&path);
    let files: Vec<_> = (1..=3)
        .map(|number| {
            append(&writer, draft()).unwrap();
            append(&writer, draft()).unwrap();
            let moved = folder.path().join(format!("audit.jsonl.{number}"));
            std::fs::rename(&path, &moved).unwrap();
            moved
        })
        .collect();
    append(&writer, draft()).unwrap();
    writer.close();
    let read = |path: &Path| BufReader::new(std::fs::File::open(path).unwrap());
    let mut report = verify(read(&files[0])).unwrap();
    assert_eq!(report.records, 2);
    for next in files[1..].iter().chain([&path]) {
        report = verify_after(read(next), &report).unwrap();
    }
    assert_eq!(report.records, 2);
    // Left out or in the wrong order, the files do not fit.
    let first = verify(read(&files[0])).unwrap();
    for wrong in [&files[2], &files[0], &path] {
        let broken = verify_after(read(wrong), &first).unwrap_err();
        assert!(
            matches!(broken.kind, BreakKind::NotContinued { .. }),
            "{broken}"
        );
    }
}

#[test]
fn a_repair_that_was_interrupted_is_finished_and_noted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    write_log(&path, 2);
    let whole = std::fs::read(&path).unwrap();
    let torn = [whole.as_slice(), &[b'x'; 5000]].concat();
    std::fs::write(&path, &torn).unwrap();
    drop(open(&path).unwrap());
    let repaired = std::fs::read(&path).unwrap();
    // Killed after the note was written and before the rest was cut off.
    let mut between = torn.clone();
    between[..repaired.len()].copy_from_slice(&repaired);
    std::fs::write(&path, &between).unwrap();
    drop(open(&path).unwrap());
    let events: Vec<_> = records(&path)
        .into_iter()
        .map(|record| record.event)
        .collect();
    assert_eq!(events[2..], ["repair", "repair"]);
    assert_eq!(check(&path), 4);
}

#[test]
fn opening_a_long_log_checks_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let writer = writer(&path);
    let big = egret_audit::Draft {
        because: vec!["a".repeat(400_000).into(); 2],
        ..draft()
    };
    for _ in 0..100 {
        append(&writer, big.clone()).unwrap();
    }
    writer.close();
    let sound = std::fs::read(&path).unwrap();
    assert!(sound.len() > 70 << 20);
    let log = open(&path).unwrap();
    assert_eq!(log.last().0, 100);
    drop(log);
    let change = |place: usize| {
        let mut changed = sound.clone();
        changed[place] ^= 1;
        std::fs::write(&path, changed).unwrap();
        open(&path).map(|log| log.last().0)
    };
    // At the end it is seen at once; at the beginning it is for `verify`.
    change(sound.len() - 1_000_000).unwrap_err();
    assert_eq!(change(1000).unwrap(), 100);
    verify(BufReader::new(std::fs::File::open(&path).unwrap())).unwrap_err();
}

#[test]
fn what_has_happened_already_survives_an_outage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/audit.jsonl");
    let away = folder.path().join("away");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let writer = writer(&path);
    append(&writer, draft()).unwrap();
    // Without its folder the log can neither be found nor made anew.
    std::fs::rename(path.parent().unwrap(), &away).unwrap();
    append(&writer, draft()).unwrap_err();
    writer.keep(draft().ended(egret_audit::Outcome::default()));
    writer.reloaded(egret_audit::Reload {
        time: time(),
        generation: 4,
        digest: "ab".repeat(32),
        refused: Some("policy"),
    });
    std::fs::rename(&away, path.parent().unwrap()).unwrap();
    writer.close();
    let records = records(&path);
    let events: Vec<_> = records.iter().map(|record| record.event.as_str()).collect();
    assert_eq!(events, ["decision", "gap", "outcome", "reload"]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(r#""refused":1,"kept":2,"lost":0"#), "{text}");
    assert!(
        records[3]
            .to_string()
            .contains("refused, generation 4 in force (policy)")
    );
    assert_eq!(check(&path), 4);
}

#[test]
fn closing_writes_what_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let writer = writer(&path);
    let (tell, told) = std::sync::mpsc::channel();
    for _ in 0..2_000 {
        let tell = tell.clone();
        writer.append(draft(), Box::new(move |answer| tell.send(answer).unwrap()));
    }
    writer.close();
    drop(tell);
    let answers: Vec<_> = told.iter().collect();
    assert_eq!(answers.len(), 2_000);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(check(&path), 2_000);
    append(&writer, draft()).unwrap_err();
}
