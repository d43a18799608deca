// A host for an exported folder: what it does is in the manifest, nothing here knows the net. See docs/artifact.md.

const ARRAYS = {
  float64: Float64Array, float32: Float32Array, int64: BigInt64Array, int32: Int32Array, uint8: Uint8Array,
  uint32: Uint32Array, uint64: BigUint64Array, bool: Uint8Array,
};

export class Artifact {
  /** folder: its URL, with a slash behind. runtime: as `loadRuntime` gives it. */
  static async open(folder, runtime) {
    const manifest = await (await fetch(new URL("manifest.json", folder))).json();
    if (manifest.format !== 2) throw new Error(`the model has format ${manifest.format}, this page reads 2`);
    const artifact = new Artifact(folder, runtime, manifest);
    for (const name of ["init", "train", "eval"]) await artifact.#load(name);
    return artifact;
  }

  #runtime;
  #sessions = {};
  #state = {};

  constructor(folder, runtime, manifest) {
    this.folder = folder;
    this.#runtime = runtime;
    this.manifest = manifest;
  }

  async #load(name) {
    const { file, updates } = this.manifest.models[name];
    const bytes = await (await fetch(new URL(file, this.folder))).arrayBuffer();
    const options = {
      executionProviders: [this.#runtime.provider],
      graphOptimizationLevel: this.manifest.session_options.graph_optimization_level,
      logSeverityLevel: 3, // or it warns of each operator that it leaves to the CPU
    };
    // What is learned stays on the GPU from step to step; only results come back.
    if (this.#runtime.provider === "webgpu" && name === "train") {
      options.preferredOutputLocation = Object.fromEntries(
        Object.entries(updates).map(([state, output]) => [output, this.#onGpu(state) ? "gpu-buffer" : "cpu"]),
      );
    }
    this.#sessions[name] = await this.#runtime.ort.InferenceSession.create(bytes, options);
  }

  #onGpu(name) {
    return this.manifest.state.find((entry) => entry.name === name).dtype === "float32";
  }

  #tensor(dtype, shape, data) {
    return new this.#runtime.ort.Tensor(dtype, data, shape);
  }

  /** Run a model. inputs: {name: {shape, data}}. Returns its results as tensors; state moves on by itself. */
  async #run(name, inputs, hyperparameters = {}) {
    const model = this.manifest.models[name];
    const feeds = {};
    for (const { name: input, dtype } of model.inputs) {
      feeds[input] = this.#tensor(dtype, inputs[input].shape, inputs[input].data);
    }
    for (const { name: hyper, dtype, default: value } of this.manifest.hyperparameters) {
      if (model.hyperparameters.includes(hyper)) {
        feeds[hyper] = this.#tensor(dtype, [], ARRAYS[dtype].of(hyperparameters[hyper] ?? value));
      }
    }
    for (const state of model.state) feeds[state] = this.#state[state];
    const outputs = await this.#sessions[name].run(feeds);
    if (outputs.valid?.data[0] === 0) throw new Error("a label is out of its range; the state is that before the step");
    for (const [state, output] of Object.entries(model.updates)) {
      this.#state[state]?.dispose();
      this.#state[state] = outputs[output];
    }
    return outputs;
  }

  /** Forget what was learned: the weights are drawn anew. */
  async start(seed) {
    const [input] = this.manifest.models.init.inputs;
    await this.#run("init", input ? { [input.name]: { shape: [], data: BigInt64Array.of(BigInt(seed)) } } : {});
  }

  /** One training step. Returns {result: tensor}. */
  step(inputs, hyperparameters) {
    return this.#run("train", inputs, hyperparameters);
  }

  /** The net in evaluation mode, with the state of now. Returns {result: tensor}. */
  evaluate(inputs) {
    return this.#run("eval", inputs);
  }

  /** The state as {name: {dtype, shape, data}}, copied from wherever it is. */
  async readState() {
    const state = {};
    for (const { name, dtype, shape } of this.manifest.state) {
      state[name] = { dtype, shape, data: (await this.#state[name].getData()).slice() };
    }
    return state;
  }

  /** Go on from a state, which may leave out what an optimizer keeps. Throws, and changes nothing, where it is another net's. */
  writeState(tensors) {
    const known = new Map(this.manifest.state.map((entry) => [entry.name, entry]));
    const alien = Object.keys(tensors).find((name) => !known.has(name));
    if (alien) throw new Error(`it holds ${alien}, which this net does not have`);
    const state = {};
    for (const [name, { dtype, shape, kind }] of known) {
      const given = tensors[name];
      if (!given && kind !== "optimizer") throw new Error(`it lacks ${name}`);
      if (given && (given.dtype !== dtype || String(given.shape) !== String(shape))) {
        throw new Error(`its ${name} is ${given.dtype} [${given.shape}], this net has ${dtype} [${shape}]`);
      }
      const size = shape.reduce((product, dim) => product * dim, 1);
      state[name] = this.#tensor(dtype, shape, given?.data ?? new ARRAYS[dtype](size));
    }
    for (const tensor of Object.values(this.#state)) tensor.dispose();
    this.#state = state;
  }
}
