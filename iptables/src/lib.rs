//! How traffic is caught: Plan -> RuleSet -> text -> kernel.
