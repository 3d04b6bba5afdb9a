//! How traffic is caught: [`Plan`] -> [`RuleSet`] -> restore text -> kernel.
//!
//! A [`Plan`] says what is wanted (whose traffic is exempt, where the rest goes). It becomes one [`RuleSet`] a
//! family: rules as data, in two independent layers. The nat layer redirects TCP and DNS to Egret; the filter
//! layer refuses whatever would leave without Egret, and stands when the nat layer is flushed or nobody listens.
//! [`Saved`] is what the kernel has, and [`drift`] the difference, order included.
//!
//! All of that is pure. [`Runner`] alone executes commands, and only `iptables`' own: it applies both families
//! or none, and takes everything away again.
//!
//! Deliberately absent: user names (only numeric ids, since a lookup may need the network that is being fenced),
//! other crates of ours, and any way to apply half a plan.

mod drift;
mod plan;
mod refusal;
mod rule;
mod ruleset;
mod run;
mod saved;
mod text;

pub use drift::{Difference, Drift, drift};
pub use plan::{Cidr, CidrError, Family, Plan, PlanError};
pub use refusal::RunError;
pub use rule::{Match, Protocol, Rejection, Rule, Target};
pub use ruleset::{Chain, Hook, RuleSet, Table, TableName};
pub use run::{Applied, Backend, Runner};
pub use saved::Saved;
