//! The operator's file, compiled and immutable.

use std::sync::Arc;

use egret_scanners::Signature;

use crate::{Facts, Problem};

/// Whether verdicts are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// They are.
    Enforce,
    /// They are decided and recorded, and everything passes.
    Audit,
}

/// The operator's file, compiled and immutable.
#[derive(Debug, Clone)]
pub struct Policy {
    generation: u64,
    digest: Box<str>,
    mode: Mode,
}

impl Policy {
    /// Parses and compiles a policy file.
    ///
    /// `catalog` is what the scanner knows: a `signatures:` exception for anything else is a
    /// problem. `generation` counts the loads of one process, from 1.
    ///
    /// # Errors
    /// Every problem of the file, in its order, not just the first.
    pub fn parse(
        text: &str,
        file_name: &str,
        generation: u64,
        catalog: &[Arc<Signature>],
    ) -> Result<Self, Vec<Problem>> {
        let _ = (text, file_name, catalog);
        Ok(Self {
            generation,
            digest: "".into(),
            mode: Mode::Enforce,
        })
    }

    /// The number of this load.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// SHA-256 of the file's bytes, 64 hex digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether verdicts are carried out.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The verdict and the way to it, readable: which rules were looked at, why each did not
    /// match, what would be scanned and done.
    pub fn explain(&self, facts: &Facts<'_>) -> String {
        let _ = facts;
        String::new()
    }
}
