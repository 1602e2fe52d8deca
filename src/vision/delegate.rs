//! Who runs the networks: `[engine] delegate ──probe──▶ guarded networks`, or the processor.
//!
//! A delegate is foreign code that drives foreign hardware. So it is tried in another process first, and
//! while it runs a processor's network stands behind each of its own: whatever it does, people are counted.

mod guard;
pub mod probe;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use self::guard::Guarded;
use super::engine::{Engine, EngineError, Model, Share};
use super::litert::{LiteRt, VERSION};
use crate::config::{Config, Delegate};
use crate::supervisor::EngineState;

/// Who runs the networks now: written by the networks, read by those who tell of it.
#[derive(Debug)]
pub struct Delegation {
    /// The delegate as configured.
    name: String,
    /// Of each model file, how much the delegate took.
    shares: Mutex<Vec<(String, Share)>>,
    /// Why the delegate is not used, or not any more.
    fault: OnceLock<String>,
}

impl Delegation {
    fn new(delegate: &Delegate) -> Self {
        Self { name: delegate.to_string(), shares: Mutex::default(), fault: OnceLock::new() }
    }

    /// Why the delegate is not used, or not any more; none while it runs, and where none is wanted.
    pub fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// Gives the delegate up for good, and says so the first time.
    fn give_up(&self, reason: String) {
        if self.fault.set(reason).is_ok() {
            let reason = self.fault().unwrap_or_default();
            warn!(delegate = %self.name, reason, "the delegate is not used: the processor runs the networks");
        }
    }

    /// Notes what was taken of the model file called `file`; each file counts once.
    fn note(&self, file: String, share: Share) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if !shares.iter().any(|(known, _)| *known == file) {
            shares.push((file, share));
        }
    }

    /// How much of each model file the delegate runs now.
    pub fn shares(&self) -> Vec<(String, Share)> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.fault().is_some() {
            shares.iter_mut().for_each(|(_, share)| share.taken = 0);
        }
        shares
    }

    /// As it is told in the log, on the page and in the metrics.
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

    /// Says which engine runs and how much of the graphs it took.
    pub(super) fn tell(&self) {
        let EngineState { delegate, nodes, delegated, .. } = self.state();
        info!(litert = VERSION, delegate, delegated, nodes, "networks are ready");
    }
}

/// The engine that `config` asks for, and who runs its networks. A delegate that does not work is told of and
/// left out.
///
/// # Errors
/// LiteRT itself cannot be loaded.
pub(super) fn engine(config: &Config) -> Result<(Box<dyn Engine>, Arc<Delegation>), EngineError> {
    let wanted = &config.engine.delegate;
    let delegation = Arc::new(Delegation::new(wanted));
    let processor = Arc::new(LiteRt::open(&config.engine.library)?);
    let accelerated = match wanted {
        Delegate::None => None,
        wanted => {
            let patience = Duration::try_from_secs_f64(config.engine.probe_timeout_s).unwrap_or_default();
            let load =
                |_| LiteRt::accelerated(&config.engine.library, wanted).map_err(EngineError::of_delegate);
            let loaded = probe::run(probe::program(), &probe::Request::of(config), patience).and_then(load);
            loaded.map_err(|reason| delegation.give_up(reason)).ok()
        }
    };
    let delegate = wanted.clone();
    let engine = Guarded { processor, accelerated, delegate, delegation: Arc::clone(&delegation) };
    Ok((Box::new(engine), delegation))
}

/// `model` as `delegate` wants it: the file that was compiled for it, where it wants one. Its inputs and
/// outputs are those of the card; that it computes the same is shown by the probe.
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

/// How a model file is called where it is told of.
fn file_name(model: &Model) -> String {
    model.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delegate_that_was_given_up_runs_nothing_and_its_first_fault_is_kept() {
        let delegation = Delegation::new(&Delegate::Gpu);
        delegation.note("a.tflite".into(), Share { taken: 3, nodes: 27 });
        delegation.note("a.tflite".into(), Share { taken: 3, nodes: 27 });
        delegation.note("b.tflite".into(), Share { taken: 5, nodes: 56 });
        let state = delegation.state();
        assert_eq!((state.delegate.as_str(), state.delegated, state.nodes), ("gpu", 8, 83));
        delegation.give_up("is gone".into());
        delegation.give_up("is gone again".into());
        let state = delegation.state();
        assert_eq!((state.delegated, state.nodes, state.problem.as_deref()), (0, 83, Some("is gone")));
    }

    #[test]
    fn a_model_that_was_not_compiled_for_the_delegate_is_named() {
        let external = crate::config::ExternalDelegate {
            library: "libx.so".into(),
            model_suffix: "_x".into(),
            options: Default::default(),
        };
        let quantization = crate::vision::engine::Quantization { scale: 1.0, zero_point: 0 };
        let input = crate::vision::engine::Tensor { name: "input".into(), shape: vec![1], quantization };
        let model =
            Model { path: "/nowhere/heads.tflite".into(), bytes: vec![1], input, outputs: Vec::new() };
        let told = compiled_for(&Delegate::External(external), &model).unwrap_err().to_string();
        assert!(told.starts_with("libx.so has no model /nowhere/heads_x.tflite (No such file"), "{told}");
        assert_eq!(compiled_for(&Delegate::Gpu, &model).unwrap().path, model.path);
    }
}
