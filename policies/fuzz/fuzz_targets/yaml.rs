//! Whatever a policy file holds, reading it ends: in a policy, or in problems with places inside the text.
#![no_main]

use egret_policies::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(problems) = Policy::parse(text, "policy.yaml", 1, &[]) {
        assert!(!problems.is_empty());
        for problem in problems {
            assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
        }
    }
});
