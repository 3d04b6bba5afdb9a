//! `egret.yaml` (skeleton: the defaults).

use crate::args::Options;
use crate::state;
use egret_proxy::Config;

/// The configuration that `-c` names, or `egret.yaml` of the current folder, or the defaults.
pub(crate) fn load(_options: &Options) -> anyhow::Result<Config> {
    Ok(Config::with_state_dir(state::default_dir()?))
}
