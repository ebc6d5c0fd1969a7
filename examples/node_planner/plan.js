// Plans in Node.js: one tick a line comes in as JSON, one plan a line goes out.
//
//   wm export-planner models/bundles/panda_reach_small --launch panda_reach --out planner.onnx
//   npm install
//   node plan.js planner.onnx < ticks.jsonl > plans.jsonl
//
// A tick holds what the graph takes, as flat lists: {"latent.z": [...], "goal_latent.z": [...]}. What it leaves out
// is filled in: noise is drawn, the warm start and the proposals are the graph's own of the tick before.

import { createInterface } from "node:readline";
import ort from "onnxruntime-node";

class Planner {
  /** Load planner.onnx; the shapes it takes are in it. */
  static async load(path) {
    return new Planner(await ort.InferenceSession.create(path, { intraOpNumThreads: 1 }));
  }

  constructor(session) {
    this.session = session;
    this.reset();
  }

  /** Forget the last plan: a new episode begins, or another goal. */
  reset() {
    this.carried = {};
  }

  /** One plan: outputs by name, of which `actions` are (H, A), row by row. */
  async plan(tick) {
    const feeds = {};
    for (const { name, type, shape } of this.session.inputMetadata) {
      feeds[name] = this.carried[name] ?? this.tensor(name, type, shape, tick[name]);
    }
    const given = await this.session.run(feeds);
    for (const [name, tensor] of Object.entries(given)) {
      if (name.startsWith("next.")) this.carried[name.slice("next.".length)] = tensor;
    }
    return Object.fromEntries(Object.entries(given).map(([name, tensor]) => [name, Array.from(tensor.data)]));
  }

  tensor(name, type, shape, values) {
    const sizes = shape.map((size) => (typeof size === "number" ? size : 0)); // proposals (M, H, A): none
    const count = sizes.reduce((product, size) => product * size, 1);
    if (name === "noise") values ??= Array.from({ length: count }, normal);
    if (name === "warm_start" || name === "proposals") values ??= new Array(count).fill(0);
    if (values?.length !== count) {
      throw new Error(`${name}: got ${values?.length ?? "no"} numbers, wanted ${count} (${shape})`);
    }
    return new ort.Tensor(type, Float32Array.from(values), sizes);
  }
}

/** A standard normal number, by Box and Muller. */
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

const planner = await Planner.load(process.argv[2] ?? "planner.onnx");
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await planner.plan(JSON.parse(line))));
}
