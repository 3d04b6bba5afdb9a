//! What is counted. No label carries a host, a path or anything else a peer chose.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};

use egret_policies::{Code, Verdict, VerdictAction};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::proxy::Counts;

/// All metrics, with the registry that writes them out.
pub(crate) struct Metrics {
    registry: Registry,
    exchanges: Family<DecisionLabels, Counter>,
    flows_open: Gauge,
    flows: Counter,
    reloads: Family<ReloadLabels, Counter>,
    generation: Gauge,
    audit_failures: Counter,
    fence: Gauge,
    neighbours: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    verdict: Word,
    code: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: Word,
}

/// A word of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Word(&'static str);

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("egret"),
            exchanges: Family::default(),
            flows_open: Gauge::<i64, AtomicI64>::default(),
            flows: Counter::<u64, AtomicU64>::default(),
            reloads: Family::default(),
            generation: Gauge::<i64, AtomicI64>::default(),
            audit_failures: Counter::<u64, AtomicU64>::default(),
            fence: Gauge::<i64, AtomicI64>::default(),
            neighbours: Gauge::<i64, AtomicI64>::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("decisions", "Requests judged", self.exchanges.clone());
        registry.register(
            "flows_open",
            "Connections being served",
            self.flows_open.clone(),
        );
        registry.register("flows", "Connections accepted", self.flows.clone());
        registry.register(
            "policy_reloads",
            "Reloads of the policy",
            self.reloads.clone(),
        );
        registry.register(
            "policy_generation",
            "Policy in force",
            self.generation.clone(),
        );
        let help = "Records that were not written in time";
        registry.register("audit_failures", help, self.audit_failures.clone());
        let help = "1 where the last round of probes proved the fence, else 0";
        registry.register("fence_holds", help, self.fence.clone());
        let help = "Processes in this network namespace that could walk round the fence, in the last round";
        registry.register("unfenced_neighbours", help, self.neighbours.clone());
    }

    pub(crate) fn flow_opened(&self) {
        self.flows.inc();
        self.flows_open.inc();
    }

    pub(crate) fn flow_closed(&self) {
        self.flows_open.dec();
    }

    pub(crate) fn decided(&self, verdict: &Verdict) {
        let code = Word(verdict.code.map_or("", Code::as_str));
        let labels = DecisionLabels {
            verdict: Word(verdict.action.as_str()),
            code,
        };
        self.exchanges.get_or_create(&labels).inc();
    }

    pub(crate) fn fenced(&self, holds: bool) {
        self.fence.set(holds.into());
    }

    pub(crate) fn neighboured(&self, count: usize) {
        self.neighbours
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn unrecorded(&self) {
        self.audit_failures.inc();
    }

    pub(crate) fn reloaded(&self, generation: Option<u64>) {
        let result = Word(if generation.is_some() { "ok" } else { "failed" });
        self.reloads.get_or_create(&ReloadLabels { result }).inc();
        if let Some(generation) = generation {
            self.generation
                .set(i64::try_from(generation).unwrap_or(i64::MAX));
        }
    }

    /// What was decided so far.
    pub(crate) fn counts(&self) -> Counts {
        let actions = [
            VerdictAction::Allow,
            VerdictAction::Redact,
            VerdictAction::Tunnel,
        ];
        let passed = actions.map(|action| self.decisions(action, ""));
        let deny = VerdictAction::Deny;
        let denied = Code::ALL
            .iter()
            .map(|code| self.decisions(deny, code.as_str()))
            .sum();
        let [_, redacted, _] = passed;
        Counts {
            requests: passed.iter().sum::<u64>() + denied,
            denied,
            redacted,
        }
    }

    /// The Prometheus text format.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn decisions(&self, action: VerdictAction, code: &'static str) -> u64 {
        let labels = DecisionLabels {
            verdict: Word(action.as_str()),
            code: Word(code),
        };
        self.exchanges
            .get(&labels)
            .map_or(0, |counter| counter.get())
    }
}

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}
