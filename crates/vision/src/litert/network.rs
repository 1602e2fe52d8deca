//! Compiles a model with LiteRT: `Model ──▶ LiteRtNetwork`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::accelerator::Accelerator;
use super::buffers::{Buffer, LOCK_TO_READ, LOCK_TO_WRITE, Locked, Owned};
use super::builder::NetworkBuilder;
use super::graph::{Graph, MAX_OUTPUTS};
use super::layout::{self, ACCELERATOR_CPU, ACCELERATOR_GPU, Block, Handle};
use super::library::{Api, call};
use crate::engine::{EngineError, Model, Network, Share};

/// A model compiled by LiteRT. Fields are dropped in this order: an object before the objects that it uses.
pub(super) struct LiteRtNetwork {
    input: Buffer,
    outputs: Vec<Buffer>,
    /// The handles of `outputs`, as the array that a run takes.
    output_handles: Vec<Handle>,
    compiled: Owned,
    _options: Owned,
    _model: Owned,
    _file: Vec<Block>,
    _environment: Owned,
    api: Arc<Api>,
    path: PathBuf,
    share: Share,
}

// SAFETY: on the CPU LiteRT keeps no state of the thread that made an object; it asks for one thread at a
// time, which `&mut self` and the absence of Sync give. No object is reachable from another network. That a
// delegate is content with another thread than the one that made it is tried in the probe.
unsafe impl Send for LiteRtNetwork {}

impl LiteRtNetwork {
    pub(super) fn new(
        api: &Arc<Api>,
        accelerator: Option<&Accelerator>,
        model: Model,
        threads: u32,
    ) -> Result<Self, EngineError> {
        // LiteRT registers its accelerators while it makes an environment, so only one is made at a time.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

        let builder = NetworkBuilder { api, path: &model.path };
        let environment = match accelerator {
            Some(accelerator) => accelerator.environment(&builder)?,
            None => builder.environment(&layout::environment_options(ACCELERATOR_CPU))?,
        };
        let file = layout::aligned(&model.bytes);
        let loaded = builder.model(&environment, &file, model.bytes.len())?;
        let graph = Graph::check(api, &loaded, &model)?;
        let hardware = ACCELERATOR_CPU | accelerator.map_or(0, |_| ACCELERATOR_GPU);
        let options = builder.options(hardware, threads)?;
        let compile = || builder.compiled(&environment, &loaded, &options);
        let (compiled, taken) = match accelerator {
            Some(accelerator) => accelerator.compile(graph.nodes, compile)?,
            None => (compile()?, 0),
        };
        let requirements = api.LiteRtGetCompiledModelOutputBufferRequirements;
        let mut outputs = Vec::with_capacity(model.outputs.len());
        for (index, (tensor, kind)) in model.outputs.iter().zip(&graph.outputs).enumerate() {
            outputs.push(builder.buffer(&environment, &compiled, requirements, index, kind, tensor)?);
        }
        let requirements = api.LiteRtGetCompiledModelInputBufferRequirements;
        let input = builder.buffer(&environment, &compiled, requirements, 0, &graph.input, &model.input)?;
        Ok(Self {
            output_handles: outputs.iter().map(|buffer| buffer.owned.handle).collect(),
            input,
            outputs,
            compiled,
            _options: options,
            _model: loaded,
            _file: file,
            _environment: environment,
            api: Arc::clone(api),
            path: model.path,
            share: Share { taken, nodes: graph.nodes },
        })
    }
}

impl Network for LiteRtNetwork {
    fn run(
        &mut self,
        fill: &mut dyn FnMut(&mut [i8]),
        read: &mut dyn FnMut(&[&[i8]]),
    ) -> Result<(), EngineError> {
        let (api, path) = (&*self.api, &self.path);
        fill(Locked::new(api, path, &mut self.input, LOCK_TO_WRITE)?.bytes_mut());
        let mut input = self.input.owned.handle;
        let (count, outputs) = (self.output_handles.len(), self.output_handles.as_mut_ptr());
        // SAFETY: all handles live as long as self, the arrays have the lengths given, the model has one
        // input, and neither buffer is locked.
        unsafe {
            call!(api, path, LiteRtRunCompiledModel(self.compiled.handle, 0, 1, &mut input, count, outputs))?;
        }
        let mut locked: [Option<Locked<'_>>; MAX_OUTPUTS] = [const { None }; MAX_OUTPUTS];
        for (slot, buffer) in locked.iter_mut().zip(&mut self.outputs) {
            *slot = Some(Locked::new(api, path, buffer, LOCK_TO_READ)?);
        }
        let mut views: [&[i8]; MAX_OUTPUTS] = [&[]; MAX_OUTPUTS];
        for (view, locked) in views.iter_mut().zip(locked.iter().flatten()) {
            *view = locked.bytes();
        }
        read(&views[..count]);
        Ok(())
    }

    fn share(&self) -> Share {
        self.share
    }
}
