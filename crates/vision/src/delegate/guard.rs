//! Networks of a delegate that fall back to the processor.
//!
//! The first failure of any network disables the delegate for all of them.

use std::sync::Arc;

use super::{Delegation, compiled_for, file_name};
use crate::engine::{Engine, EngineError, Model, Network, Share};
use crate::litert::LiteRt;
use moodring_config::Delegate;

/// Engine that runs networks in the delegate while it works, otherwise on the processor.
pub(super) struct Guarded {
    pub(super) processor: Arc<dyn Engine + Send + Sync>,
    /// `None` where no delegate is configured or it does not work.
    pub(super) accelerated: Option<LiteRt>,
    pub(super) delegate: Delegate,
    pub(super) delegation: Arc<Delegation>,
}

impl Engine for Guarded {
    fn network(&self, model: Model, threads: u32) -> Result<Box<dyn Network>, EngineError> {
        let file = file_name(&model);
        let made = self.accelerated.as_ref().filter(|_| self.delegation.fault().is_none()).map(|engine| {
            compiled_for(&self.delegate, &model).and_then(|compiled| engine.network(compiled, threads))
        });
        match made {
            Some(Ok(network)) => {
                self.delegation.record_share(file, network.share());
                let processor = Processor { engine: Arc::clone(&self.processor), model, threads };
                let delegation = Arc::clone(&self.delegation);
                return Ok(Box::new(GuardedNetwork {
                    running: Running::InDelegate(network),
                    processor,
                    delegation,
                }));
            }
            Some(Err(error)) => self.delegation.disable(error.of_delegate()),
            None => {}
        }
        let network = self.processor.network(model, threads)?;
        self.delegation.record_share(file, network.share());
        Ok(network)
    }
}

/// Parameters to make the processor's network on a fallback.
struct Processor {
    engine: Arc<dyn Engine + Send + Sync>,
    model: Model,
    threads: u32,
}

/// A network that runs in the delegate until the delegate is disabled, then on the processor. A failure of one
/// network disables all: an unplugged device is gone for each of them.
struct GuardedNetwork {
    running: Running,
    processor: Processor,
    delegation: Arc<Delegation>,
}

enum Running {
    InDelegate(Box<dyn Network>),
    OnProcessor(Box<dyn Network>),
}

impl GuardedNetwork {
    fn fall_back(&mut self) -> Result<&mut Box<dyn Network>, EngineError> {
        let Processor { engine, model, threads } = &self.processor;
        let made = Running::OnProcessor(engine.network(model.clone(), *threads)?);
        // The driver of a missing device is never called again, not even to free memory. The leak is small and
        // happens once per network.
        std::mem::forget(std::mem::replace(&mut self.running, made));
        Ok(self.network())
    }

    fn network(&mut self) -> &mut Box<dyn Network> {
        let (Running::InDelegate(network) | Running::OnProcessor(network)) = &mut self.running;
        network
    }
}

impl Network for GuardedNetwork {
    fn run(
        &mut self,
        fill: &mut dyn FnMut(&mut [i8]),
        read: &mut dyn FnMut(&[&[i8]]),
    ) -> Result<(), EngineError> {
        let Running::InDelegate(delegated) = &mut self.running else { return self.network().run(fill, read) };
        if self.delegation.fault().is_none() {
            match delegated.run(fill, read) {
                Ok(()) => return Ok(()),
                Err(error) => self.delegation.disable(format!("fails while it runs: {error}")),
            }
        }
        self.fall_back()?.run(fill, read)
    }

    fn share(&self) -> Share {
        let (Running::InDelegate(network) | Running::OnProcessor(network)) = &self.running;
        network.share()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::engine::{Quantization, Tensor};

    /// Outputs its mark for `runs` runs; then it fails.
    struct Marked {
        mark: i8,
        runs: usize,
    }

    impl Network for Marked {
        fn run(
            &mut self,
            fill: &mut dyn FnMut(&mut [i8]),
            read: &mut dyn FnMut(&[&[i8]]),
        ) -> Result<(), EngineError> {
            fill(&mut [0]);
            let path = PathBuf::from("x.tflite");
            let gone = EngineError::Call { path, call: "LiteRtRunCompiledModel", status: 3 };
            self.runs = self.runs.checked_sub(1).ok_or(gone)?;
            read(&[&[self.mark]]);
            Ok(())
        }

        fn share(&self) -> Share {
            Share { taken: self.mark.unsigned_abs().into(), nodes: 9 }
        }
    }

    struct OnProcessor;

    impl Engine for OnProcessor {
        fn network(&self, _model: Model, _threads: u32) -> Result<Box<dyn Network>, EngineError> {
            Ok(Box::new(Marked { mark: 0, runs: usize::MAX }))
        }
    }

    fn guarded(runs: usize, delegation: &Arc<Delegation>) -> GuardedNetwork {
        let quantization = Quantization { scale: 1.0, zero_point: 0 };
        let input = Tensor { name: "input".into(), shape: vec![1], quantization };
        let model = Model { path: "x.tflite".into(), bytes: Vec::new(), input, outputs: Vec::new() };
        GuardedNetwork {
            running: Running::InDelegate(Box::new(Marked { mark: 1, runs })),
            processor: Processor { engine: Arc::new(OnProcessor), model, threads: 1 },
            delegation: Arc::clone(delegation),
        }
    }

    fn run(network: &mut GuardedNetwork) -> i8 {
        let mut mark = None;
        network.run(&mut |_| (), &mut |outputs| mark = Some(outputs[0][0])).unwrap();
        mark.unwrap()
    }

    #[test]
    fn a_failure_of_one_network_moves_all_to_the_processor() {
        let delegation = Arc::new(Delegation::new(&Delegate::Gpu));
        let mut pulled_out = guarded(2, &delegation);
        let mut other = guarded(usize::MAX, &delegation);
        assert_eq!([run(&mut pulled_out), run(&mut other), run(&mut pulled_out)], [1, 1, 1]);
        assert_eq!(delegation.fault(), None);
        // The failed run is repeated on the processor, and the other network switches without a failed run.
        assert_eq!([run(&mut pulled_out), run(&mut other), run(&mut pulled_out)], [0, 0, 0]);
        assert_eq!((pulled_out.share().taken, other.share().taken), (0, 0));
        let fault = delegation.fault().unwrap();
        assert_eq!(fault, "fails while it runs: x.tflite: LiteRtRunCompiledModel failed with status 3");
    }
}
