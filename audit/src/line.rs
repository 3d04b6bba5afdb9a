//! The line: a draft with its place in the chain, as the JSON of the contract.
//!
//! The order of the members is fixed and `hash` comes last; see [`crate::chain`] for why.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::chain::{Hash, Link, seal};
use crate::draft::{Draft, FindingEntry, Outcome};

/// What a line says besides drafts: things that happened to the log itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incident {
    /// The last line was torn by a crash and was cut off.
    Repair {
        /// How many bytes were cut off.
        discarded: u64,
        /// Their hash, so that a copy can be recognised.
        hash: Hash,
    },
    /// The log could not be written for a while.
    Gap {
        /// When it was last known to work.
        since: SystemTime,
        /// How many records were refused; each was answered with an error, so none of their
        /// exchanges went on.
        refused: u64,
        /// How many records of things that had happened already were kept; they follow this one.
        kept: u64,
        /// How many of these were too many to keep.
        lost: u64,
        /// What the system said.
        reason: String,
    },
    /// The file was moved away or removed, and this one was begun in its place.
    Rotation {
        /// Where the chain of the file before ended.
        previous: Link,
    },
    /// The policy was asked to change.
    Reload(Reload),
    /// The operator opened ways past the proxy, by name.
    Grant {
        /// Unix sockets that the caged command may reach.
        sockets: Vec<String>,
    },
}

/// What became of a policy that was to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// When.
    pub time: SystemTime,
    /// The generation in force from now on.
    pub generation: u64,
    /// The digest of the policy in force from now on.
    pub digest: String,
    /// Why the new one was not taken, as a word of ours; `None` if it was.
    pub refused: Option<&'static str>,
}

/// Appends a draft's line to a buffer and moves the link on.
pub(crate) fn append_draft(buffer: &mut Vec<u8>, link: &mut Link, draft: &Draft) {
    append(buffer, link, |seq, prev| DraftLine::new(seq, prev, draft));
}

/// Appends an incident's line to a buffer and moves the link on.
pub(crate) fn append_incident(
    buffer: &mut Vec<u8>,
    link: &mut Link,
    time: SystemTime,
    incident: &Incident,
) {
    append(buffer, link, |seq, prev| {
        IncidentLine::new(seq, prev, time, incident)
    });
}

/// RFC 3339 in UTC with milliseconds, for instance `2026-11-21T01:02:03.456Z`. A time outside the
/// years 1970 to 9999 is written as the nearest inside.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since_epoch = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .min(LAST_TIME);
    let days = since_epoch.as_secs() / 86_400;
    let second = since_epoch.as_secs() % 86_400;
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millisecond = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

fn append<'a, L: Serialize>(
    buffer: &mut Vec<u8>,
    link: &mut Link,
    line: impl FnOnce(u64, String) -> L + 'a,
) {
    let start = buffer.len();
    let seq = link.seq + 1;
    let line = line(seq, link.hash.to_string());
    // Serialising plain strings and numbers into memory cannot fail.
    if serde_json::to_writer(&mut *buffer, &line).is_err() {
        buffer.truncate(start);
        return;
    }
    *link = Link {
        seq,
        hash: seal(buffer, start),
    };
}

#[derive(Serialize)]
struct DraftLine<'a> {
    v: u8,
    seq: u64,
    time: String,
    event: &'static str,
    flow: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<String>,
    via: &'static str,
    client: String,
    destination: DestinationLine<'a>,
    inspected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<RequestLine<'a>>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    not_enforced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    because: Vec<&'a str>,
    findings: Vec<FindingLine<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    findings_unlisted: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeLine>,
    policy: PolicyLine<'a>,
    prev: String,
}

#[derive(Serialize)]
struct DestinationLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    port: u16,
}

#[derive(Serialize)]
struct RequestLine<'a> {
    method: &'a str,
    path: &'a str,
    version: &'static str,
}

#[derive(Serialize)]
struct FindingLine<'a> {
    signature: &'a str,
    class: &'static str,
    part: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    action: &'static str,
    fingerprint: &'a str,
}

#[derive(Serialize)]
struct OutcomeLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    bytes_sent: u64,
    bytes_received: u64,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureLine>,
}

#[derive(Serialize)]
struct FailureLine {
    fault: &'static str,
    reason: &'static str,
}

#[derive(Serialize)]
struct PolicyLine<'a> {
    generation: u64,
    digest: &'a str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl<'a> DraftLine<'a> {
    fn new(seq: u64, prev: String, draft: &'a Draft) -> Self {
        Self {
            v: 1,
            seq,
            time: rfc3339(draft.time),
            event: draft.event.as_str(),
            flow: draft.flow.to_string(),
            exchange: draft.exchange.map(|id| id.to_string()),
            via: draft.via.as_str(),
            client: draft.client.to_string(),
            destination: DestinationLine {
                host: draft.destination.host.as_deref(),
                ip: draft.destination.ip.map(|ip| ip.to_string()),
                port: draft.destination.port,
            },
            inspected: draft.inspected,
            request: draft.request.as_ref().map(|request| RequestLine {
                method: &request.method,
                path: &request.path,
                version: request.version.as_str(),
            }),
            verdict: draft.verdict.as_str(),
            not_enforced: !draft.enforced,
            code: draft.code.map(egret_policies::Code::as_str),
            because: draft.because.iter().map(AsRef::as_ref).collect(),
            findings: draft.findings.iter().map(FindingLine::new).collect(),
            findings_unlisted: draft.findings_unlisted,
            outcome: draft.outcome.as_ref().map(OutcomeLine::new),
            policy: PolicyLine {
                generation: draft.policy_generation,
                digest: &draft.policy_digest,
            },
            prev,
        }
    }
}

impl<'a> FindingLine<'a> {
    fn new(entry: &'a FindingEntry) -> Self {
        Self {
            signature: &entry.signature,
            class: entry.class.as_str(),
            part: &entry.part,
            path: entry.path.as_deref(),
            action: entry.action.as_str(),
            fingerprint: &entry.fingerprint,
        }
    }
}

impl OutcomeLine {
    fn new(outcome: &Outcome) -> Self {
        Self {
            status: outcome.status,
            bytes_sent: outcome.bytes_sent,
            bytes_received: outcome.bytes_received,
            duration_ms: u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
            failure: outcome.failure.map(|failure| FailureLine {
                fault: failure.fault.as_str(),
                reason: failure.reason,
            }),
        }
    }
}

#[derive(Serialize)]
struct IncidentLine {
    v: u8,
    seq: u64,
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair: Option<RepairLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<GapLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<RotationLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reload: Option<ReloadLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<GrantLine>,
    prev: String,
}

#[derive(Serialize)]
struct GrantLine {
    sockets: Vec<String>,
}

#[derive(Serialize)]
struct RepairLine {
    discarded_bytes: u64,
    discarded_sha256: String,
}

#[derive(Serialize)]
struct GapLine {
    since: String,
    refused: u64,
    kept: u64,
    lost: u64,
    reason: String,
}

#[derive(Serialize)]
struct RotationLine {
    previous_seq: u64,
    previous_hash: String,
}

#[derive(Serialize)]
struct ReloadLine {
    result: &'static str,
    generation: u64,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

impl IncidentLine {
    fn new(seq: u64, prev: String, time: SystemTime, incident: &Incident) -> Self {
        let mut line = Self {
            v: 1,
            seq,
            time: rfc3339(time),
            event: "",
            repair: None,
            gap: None,
            rotation: None,
            reload: None,
            grant: None,
            prev,
        };
        line.tell(incident.clone());
        line
    }

    fn tell(&mut self, incident: Incident) {
        match incident {
            Incident::Repair { discarded, hash } => {
                self.event = "repair";
                self.repair = Some(RepairLine {
                    discarded_bytes: discarded,
                    discarded_sha256: hash.to_string(),
                });
            }
            Incident::Gap {
                since,
                refused,
                kept,
                lost,
                reason,
            } => {
                self.event = "gap";
                self.gap = Some(GapLine {
                    since: rfc3339(since),
                    refused,
                    kept,
                    lost,
                    reason,
                });
            }
            Incident::Rotation { previous } => {
                self.event = "rotation";
                self.rotation = Some(RotationLine {
                    previous_seq: previous.seq,
                    previous_hash: previous.hash.to_string(),
                });
            }
            Incident::Reload(reload) => {
                self.event = "reload";
                self.reload = Some(ReloadLine {
                    result: if reload.refused.is_none() {
                        "loaded"
                    } else {
                        "refused"
                    },
                    generation: reload.generation,
                    digest: reload.digest,
                    error: reload.refused,
                });
            }
            Incident::Grant { sockets } => {
                self.event = "grant";
                self.grant = Some(GrantLine { sockets });
            }
        }
    }
}

/// The civil date of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // Years are counted from March, so that the leap day is the last day of a year; an era is the
    // 400 years (146,097 days) after which the calendar repeats.
    let from_march_0000 = days + 719_468;
    let era = from_march_0000 / 146_097;
    let day_of_era = from_march_0000 % 146_097;
    let leap_days = day_of_era / 1_460 + day_of_era / 146_096;
    let year_of_era = (day_of_era + day_of_era / 36_524 - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// 9999-12-31T23:59:59.999Z, the last time RFC 3339 can write.
const LAST_TIME: Duration = Duration::from_millis(253_402_300_799_999);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        let at = |millis| rfc3339(UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_795_222_923_456), "2026-11-21T01:02:03.456Z");
        assert_eq!(at(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
        assert_eq!(at(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(at(u64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(
            rfc3339(UNIX_EPOCH - Duration::from_secs(1)),
            "1970-01-01T00:00:00.000Z"
        );
    }
}
