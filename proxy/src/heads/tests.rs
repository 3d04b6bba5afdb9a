//! Secrets in every place of a head: found, masked, or refused where a mask cannot stand.

use http::{Request, Response};

use super::*;
use crate::body::tests::{scanner, token};

fn request(uri: &str, headers: &[(&str, &str)]) -> request::Parts {
    let mut builder = Request::builder().uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn everything() -> Masks {
    Arc::new(|_| Arc::new(MaskSet::all()))
}

fn nothing() -> Masks {
    Arc::new(|_| Arc::new(MaskSet::none()))
}

fn parts_of(findings: &[Finding]) -> Vec<String> {
    let mut parts: Vec<String> = findings
        .iter()
        .map(|found| found.part.to_string())
        .collect();
    parts.sort();
    parts.dedup();
    parts
}

fn found_in(head: &request::Parts) -> Vec<String> {
    parts_of(&scan_request(&scanner(), head).unwrap())
}

fn masked(mut head: request::Parts) -> request::Parts {
    mask_request(&scanner(), &mut head, &everything()).unwrap();
    assert_eq!(found_in(&head), [""; 0], "masking is a fixed point");
    head
}

#[test]
fn a_clean_head_has_no_findings_and_is_not_changed() {
    let head = request(
        "https://api.example.com/v1/chat?limit=10&after=abc",
        &[
            ("host", "api.example.com"),
            ("accept", "*/*"),
            ("x-request-id", "7f3c"),
        ],
    );
    assert_eq!(found_in(&head), [""; 0]);
    let (uri, headers) = (head.uri.clone(), head.headers.clone());
    let head = masked(head);
    assert_eq!((head.uri, head.headers), (uri, headers));
}

#[test]
fn secrets_in_the_url_are_found_and_masked() {
    for uri in [
        format!("/{}", token()),
        format!("/files/{}/x?y=1", token()),
        format!("/?key={}&other=1", token()),
        format!("https://api.example.com/a?{}", token()),
    ] {
        let head = request(&uri, &[]);
        assert_eq!(found_in(&head), ["request.url"], "{uri}");
        let out = masked(head).uri.to_string();
        assert_eq!(out.len(), uri.len());
        assert!(
            !out.contains(&token()[..10]) && out.contains("[test-token]"),
            "{out}"
        );
    }
}

#[test]
fn percent_encoded_secrets_in_the_url_are_found_and_masked() {
    let encoded: String = token().bytes().map(|byte| format!("%{byte:02x}")).collect();
    let head = request(&format!("/search?q={encoded}"), &[]);
    assert_eq!(found_in(&head), ["request.url"]);
    assert!(!masked(head).uri.to_string().contains(&encoded[..12]));
}

#[test]
fn secrets_in_any_header_are_found_and_masked() {
    for (name, value) in [
        ("x-note", token()),
        ("authorization", format!("Bearer {}", token())),
        ("cookie", format!("a=1; session={}; b=2", token())),
        ("referer", format!("https://example.com/?k={}", token())),
        ("user-agent", format!("tool/1.0 ({})", token())),
        ("range", format!("bytes={}", token())),
        ("if-none-match", format!("\"{}\"", token())),
        ("accept", token()),
    ] {
        let head = request("/", &[(name, &value)]);
        assert_eq!(found_in(&head), [format!("request.header.{name}")]);
        let head = masked(head);
        let out = head.headers[name].to_str().unwrap();
        assert_eq!(out.len(), value.len());
        assert!(
            out.contains("[test-token]") && !out.contains(&token()),
            "{out}"
        );
    }
}

#[test]
fn basic_credentials_are_decoded() {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("user:{}", token()));
    let head = request("/", &[("authorization", &format!("Basic {encoded}"))]);
    assert_eq!(found_in(&head), ["request.header.authorization"]);
    assert!(
        !masked(head).headers["authorization"]
            .to_str()
            .unwrap()
            .contains(&encoded[12..])
    );
}

#[test]
fn every_value_of_a_repeated_header_is_scanned() {
    let (secret, twice) = (token(), format!("and {}", token()));
    let head = request("/", &[("x-a", "clean"), ("x-a", &secret), ("x-a", &twice)]);
    assert_eq!(scan_request(&scanner(), &head).unwrap().len(), 2);
    let head = masked(head);
    let values: Vec<_> = head.headers.get_all("x-a").iter().collect();
    assert_eq!(values[0], "clean");
    assert!(values[1].as_bytes().starts_with(b"[test-token]"));
}

#[test]
fn a_secret_cut_over_headers_is_found_and_masked_in_each() {
    let secret = token();
    for names in [["x-part", "x-part"], ["x-part-1", "x-part-2"]] {
        let parts = [(names[0], &secret[..17]), (names[1], &secret[17..])];
        let around = [("x-before", "abc"), parts[0], parts[1], ("x-then", "def")];
        let head = request("/", &around);
        assert_eq!(found_in(&head), [format!("request.header.{}", names[0])]);
        let head = masked(head);
        for name in names {
            for value in head.headers.get_all(name) {
                assert!(
                    value.as_bytes().iter().all(|byte| *byte == b'*'),
                    "{value:?}"
                );
            }
        }
    }
}

#[test]
fn a_secret_cut_over_query_parameters_is_found_and_masked() {
    let secret = token();
    let uri = format!(
        "/s?a={}&b={}&c={}&d=4",
        &secret[..9],
        &secret[9..30],
        &secret[30..]
    );
    let head = request(&uri, &[]);
    let findings = scan_request(&scanner(), &head).unwrap();
    assert_eq!(parts_of(&findings), ["request.url"]);
    assert_eq!(findings[0].span, 5..14);
    let out = masked(head).uri.to_string();
    let stars = |count| "*".repeat(count);
    assert_eq!(
        out,
        format!("/s?a={}&b={}&c={}&d=4", stars(9), stars(21), stars(10))
    );
}

#[test]
fn a_whole_secret_is_not_found_again_with_its_neighbour() {
    let secret = token();
    let head = request("/", &[("x-a", &secret), ("x-b", "- more")]);
    assert_eq!(scan_request(&scanner(), &head).unwrap().len(), 1);
}

#[test]
fn two_numbers_side_by_side_are_not_joined_to_personal_data() {
    let head = request("/", &[("x-a", "jane"), ("x-b", "@example.org")]);
    assert_eq!(found_in(&head), [""; 0]);
}

#[test]
fn a_secret_in_a_name_is_found_never_named_and_cannot_be_masked() {
    let name = format!("tok_{}", "a1b2c3d4e5".repeat(4).get(..36).unwrap());
    let mut head = request("/", &[(&name, "value")]);
    let findings = scan_request(&scanner(), &head).unwrap();
    assert_eq!(parts_of(&findings), ["request.header.[name]"]);
    assert!(!format!("{findings:?}").contains(&name));
    let result = mask_request(&scanner(), &mut head, &everything());
    assert_eq!(result, Err(HeadError::Unmaskable));
    assert_eq!(mask_request(&scanner(), &mut head, &nothing()), Ok(()));
}

#[test]
fn a_secret_in_the_method_or_the_authority_cannot_be_masked() {
    let mut head = request("/", &[]);
    head.method = http::Method::from_bytes(token().as_bytes()).unwrap();
    assert_eq!(found_in(&head), ["request.method"]);
    let result = mask_request(&scanner(), &mut head, &everything());
    assert_eq!(result, Err(HeadError::Unmaskable));
}

#[test]
fn what_is_at_home_stays() {
    let at_home = part(Side::Request, Place::Header("x-api-key".into()));
    let masks: Masks = Arc::new(move |part| {
        Arc::new(if *part == at_home {
            MaskSet::none()
        } else {
            MaskSet::all()
        })
    });
    let secret = token();
    let mut head = request("/", &[("x-api-key", &secret), ("x-other", &secret)]);
    mask_request(&scanner(), &mut head, &masks).unwrap();
    assert_eq!(head.headers["x-api-key"], secret.as_str());
    assert!(
        head.headers["x-other"]
            .as_bytes()
            .starts_with(b"[test-token]")
    );
}

#[test]
fn secrets_in_response_headers_are_found_and_masked() {
    let value = format!("session={}; HttpOnly", token());
    let mut head = Response::builder()
        .header("set-cookie", "a=1")
        .header("set-cookie", &value)
        .header("location", format!("https://example.com/?t={}", token()))
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let findings = scan_response(&scanner(), &head).unwrap();
    let expected = ["response.header.location", "response.header.set-cookie"];
    assert_eq!(parts_of(&findings), expected);
    mask_response(&scanner(), &mut head, &everything()).unwrap();
    let cookies: Vec<_> = head.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies[0], "a=1");
    assert_eq!(cookies[1].len(), value.len());
    assert!(scan_response(&scanner(), &head).unwrap().is_empty());
}

#[test]
fn masking_keeps_a_value_sensitive() {
    let mut head = request("/", &[("authorization", &format!("Bearer {}", token()))]);
    head.headers
        .get_mut("authorization")
        .unwrap()
        .set_sensitive(true);
    assert!(masked(head).headers["authorization"].is_sensitive());
}
