//! The oracles that end every story are themselves held: each must fail when what it watches for has happened.

use std::io::Write as _;

use egret_tests::{Curl, Setup, canary};

#[test]
#[should_panic(expected = "the origin parsed 1 requests, the log allows 0")]
fn a_request_that_went_past_the_proxy_is_counted() {
    let world = Setup::open().start();
    let connect = format!("origin.test:443:127.0.0.1:{}", world.origin.https);
    let past = Curl::direct("https://origin.test/text", &world.origin.ca);
    assert_eq!(past.args(["--connect-to", &connect]).run().status, 200);
    world.finish();
}

#[test]
#[should_panic(expected = "leaked into")]
fn a_secret_in_the_state_folder_is_found() {
    let world = Setup::open().start();
    let token = canary::github_token();
    std::fs::write(world.directory().join("state/note"), &token[10..]).unwrap();
    world.finish();
}

#[test]
#[should_panic(expected = "the audit chain does not hold")]
fn a_record_that_was_changed_is_found() {
    let world = Setup::open().start();
    assert_eq!(world.get("https://origin.test/text").status, 200);
    world.egret().records_of("outcome", 1);
    let log = world.egret().audit();
    let text = std::fs::read_to_string(&log).unwrap();
    // In place: the proxy goes on writing to the same file.
    let mut file = std::fs::OpenOptions::new().write(true).open(log).unwrap();
    file.write_all(text.replace("origin.test", "onigin.test").as_bytes())
        .unwrap();
    world.finish();
}

#[test]
#[should_panic(expected = "a story must end with World::finish")]
fn a_story_without_an_end_is_found() {
    drop(Setup::open().start());
}
