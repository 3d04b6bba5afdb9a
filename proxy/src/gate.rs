//! The only place that refuses: a verdict becomes an answer a person or a program can act on.
//!
//! Nouns: [`Refusal`]. The answer is the contract's JSON error. It names signatures and places, never a
//! value, and nothing in it comes from the request but the path of a finding.

use egret_policies::{Action, Code, ExchangeId, Verdict};
use egret_scanners::Finding;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;

use crate::reply::{self, Reply};

/// Everything a refused client is told.
#[derive(Debug)]
pub(crate) struct Refusal<'a> {
    /// Names the record.
    pub(crate) exchange: ExchangeId,
    /// The verdict that refuses.
    pub(crate) verdict: &'a Verdict,
    /// What was found, in the order of the verdict's dispositions.
    pub(crate) findings: &'a [Finding],
    /// A more exact sentence than the code's own, where there is one.
    pub(crate) detail: Option<&'a str>,
    /// `HEAD` is answered without a body.
    pub(crate) method: &'a Method,
}

impl Refusal<'_> {
    /// The answer.
    pub(crate) fn answer(&self) -> Reply {
        let code = self.verdict.code.unwrap_or(Code::RuleDenied);
        let identity = self.exchange.to_string();
        let page = serde_json::to_vec(&Page {
            error: self.error(code, &identity),
        });
        let page = page.unwrap_or_else(|_| FALLBACK.as_bytes().to_vec());
        let length = HeaderValue::from(page.len());
        let body = if self.method == Method::HEAD {
            reply::empty()
        } else {
            reply::full(page)
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::FORBIDDEN);
        let headers = answer.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CONTENT_LENGTH, length);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.method == Method::CONNECT {
            // What follows may be meant for the tunnel there is not. Not part of HTTP/2, where hyper leaves it out.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Ok(identity) = HeaderValue::from_str(&identity) {
            headers.insert("x-egret-request-id", identity);
        }
        answer
    }

    fn error<'a>(&'a self, code: Code, identity: &'a str) -> PageError<'a> {
        PageError {
            kind: "egret_denied",
            code: code.as_str(),
            rule: self.verdict.rule.as_deref(),
            request_id: identity,
            message: self.detail.unwrap_or_else(|| code.message()),
            findings: self.denied_findings(),
            next_step: code.next_step(),
        }
    }

    fn denied_findings(&self) -> Vec<PageFinding<'_>> {
        let judged = self.findings.iter().zip(&self.verdict.findings);
        let denied = judged.filter(|(_, disposition)| disposition.action == Action::Deny);
        let shown = denied.take(FINDINGS_SHOWN).map(|(finding, _)| PageFinding {
            signature: &finding.signature.id,
            part: finding.part.to_string(),
            path: finding.path.as_deref(),
        });
        shown.collect()
    }
}

#[derive(Serialize)]
struct Page<'a> {
    error: PageError<'a>,
}

#[derive(Serialize)]
struct PageError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'static str,
    rule: Option<&'a str>,
    request_id: &'a str,
    message: &'a str,
    findings: Vec<PageFinding<'a>>,
    next_step: &'static str,
}

#[derive(Serialize)]
struct PageFinding<'a> {
    signature: &'a str,
    part: String,
    path: Option<&'a str>,
}

/// More would help nobody; the record has them all.
const FINDINGS_SHOWN: usize = 20;
const FALLBACK: &str = r#"{"error":{"type":"egret_denied","code":"rule_denied"}}"#;
