//! Selects the engine of the networks: `[engine] delegate ──probe──▶ guarded networks`, or the processor.
//!
//! A delegate is third-party code that drives third-party hardware. It is therefore tested in another process
//! first, and each of its networks falls back to the processor when it fails, so that people are still counted.

mod guard;
pub mod probe;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use self::guard::Guarded;
use super::engine::{Engine, EngineError, Model, Share};
use super::litert::{LiteRt, VERSION};
use moodring_config::{Config, Delegate};
use moodring_runtime::EngineState;

/// State of the configured delegate: written by the networks, read by log, health and metrics.
#[derive(Debug)]
pub struct Delegation {
    /// Name of the delegate as configured.
    name: String,
    /// For each model file, the part that the delegate runs.
    shares: Mutex<Vec<(String, Share)>>,
    /// Why the delegate is not, or no longer, used.
    fault: OnceLock<String>,
}

impl Delegation {
    fn new(delegate: &Delegate) -> Self {
        Self { name: delegate.to_string(), shares: Mutex::default(), fault: OnceLock::new() }
    }

    /// Why the delegate is not, or no longer, used; none while it runs, and where none is configured.
    pub fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// Disables the delegate until the process ends, and logs the first reason.
    fn disable(&self, reason: String) {
        if self.fault.set(reason).is_ok() {
            let reason = self.fault().unwrap_or_default();
            warn!(delegate = %self.name, reason, "the delegate is not used: the processor runs the networks");
        }
    }

    /// Records the part of the model file `file` that the delegate runs; the first value per file counts.
    fn record_share(&self, file: String, share: Share) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if !shares.iter().any(|(known, _)| *known == file) {
            shares.push((file, share));
        }
    }

    /// The part of each model file that the delegate runs now.
    pub fn shares(&self) -> Vec<(String, Share)> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.fault().is_some() {
            shares.iter_mut().for_each(|(_, share)| share.taken = 0);
        }
        shares
    }

    /// The state for the log, the page and the metrics.
    pub fn state(&self) -> EngineState {
        let shares = self.shares();
        let sum = |of: fn(&Share) -> usize| shares.iter().map(|(_, share)| of(share) as u64).sum();
        EngineState {
            delegate: self.name.clone(),
            nodes: sum(|share| share.nodes),
            delegated: sum(|share| share.taken),
            problem: self.fault().map(str::to_owned),
        }
    }

    /// Logs that the networks are ready, with the part that the delegate runs.
    pub(super) fn log_ready(&self) {
        let EngineState { delegate, nodes, delegated, .. } = self.state();
        info!(litert = VERSION, delegate, delegated, nodes, "networks are ready");
    }
}

/// The engine for `config`, and the state of its delegate. A delegate that does not work is logged and not used.
///
/// # Errors
/// When LiteRT itself cannot be loaded.
pub(super) fn engine(config: &Config) -> Result<(Box<dyn Engine>, Arc<Delegation>), EngineError> {
    let wanted = &config.engine.delegate;
    let delegation = Arc::new(Delegation::new(wanted));
    let processor = Arc::new(LiteRt::open(&config.engine.library)?);
    let accelerated = match wanted {
        Delegate::None => None,
        wanted => {
            let timeout = Duration::try_from_secs_f64(config.engine.probe_timeout_s).unwrap_or_default();
            let load =
                |_| LiteRt::accelerated(&config.engine.library, wanted).map_err(EngineError::of_delegate);
            let loaded = probe::run(probe::program(), &probe::Request::of(config), timeout).and_then(load);
            loaded.map_err(|reason| delegation.disable(reason)).ok()
        }
    };
    let delegate = wanted.clone();
    let engine = Guarded { processor, accelerated, delegate, delegation: Arc::clone(&delegation) };
    Ok((Box::new(engine), delegation))
}

/// `model` in the form that `delegate` needs: a file compiled for it where `model_suffix` is set, otherwise
/// unchanged. Inputs and outputs are those of the card; the probe verifies that the results are the same.
fn compiled_for(delegate: &Delegate, model: &Model) -> Result<Model, EngineError> {
    let Delegate::External(external) = delegate else { return Ok(model.clone()) };
    if external.model_suffix.is_empty() {
        return Ok(model.clone());
    }
    let stem = model.path.file_stem().unwrap_or_default().to_string_lossy();
    let path: PathBuf = model.path.with_file_name(format!("{stem}{}.tflite", external.model_suffix));
    let bytes = std::fs::read(&path).map_err(|error| EngineError::Delegate {
        name: delegate.to_string(),
        reason: format!(
            "has no model {} ({error}): compile {} for it (docs/reference/delegates.md)",
            path.display(),
            model.path.display()
        ),
    })?;
    Ok(Model { path, bytes, ..model.clone() })
}

/// Name of a model file in logs and reports.
fn file_name(model: &Model) -> String {
    model.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disabled_delegate_runs_nothing_and_keeps_its_first_fault() {
        let delegation = Delegation::new(&Delegate::Gpu);
        delegation.record_share("a.tflite".into(), Share { taken: 3, nodes: 27 });
        delegation.record_share("a.tflite".into(), Share { taken: 3, nodes: 27 });
        delegation.record_share("b.tflite".into(), Share { taken: 5, nodes: 56 });
        let state = delegation.state();
        assert_eq!((state.delegate.as_str(), state.delegated, state.nodes), ("gpu", 8, 83));
        delegation.disable("is gone".into());
        delegation.disable("is gone again".into());
        let state = delegation.state();
        assert_eq!((state.delegated, state.nodes, state.problem.as_deref()), (0, 83, Some("is gone")));
    }

    #[test]
    fn an_uncompiled_model_is_reported() {
        let external = moodring_config::ExternalDelegate {
            library: "libx.so".into(),
            model_suffix: "_x".into(),
            options: Default::default(),
        };
        let quantization = crate::engine::Quantization { scale: 1.0, zero_point: 0 };
        let input = crate::engine::Tensor { name: "input".into(), shape: vec![1], quantization };
        let model =
            Model { path: "/nowhere/heads.tflite".into(), bytes: vec![1], input, outputs: Vec::new() };
        let error = compiled_for(&Delegate::External(external), &model).unwrap_err().to_string();
        assert!(error.starts_with("libx.so has no model /nowhere/heads_x.tflite (No such file"), "{error}");
        assert_eq!(compiled_for(&Delegate::Gpu, &model).unwrap().path, model.path);
    }
}
