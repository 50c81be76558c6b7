// node-llama-cpp: a completion per sequence of one context. `node node_llama_cpp.mjs FOLDER`, where
// FOLDER has its node_modules. The line is that of serving.py.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const N_SEQUENCES = 8;
const entry = `${process.argv[2]}/node_modules/node-llama-cpp/dist/index.js`;
const { getLlama, LlamaCompletion } = await import(pathToFileURL(entry));

async function load(setup) {
  const llama = await getLlama({
    gpu: setup.gpu ? "auto" : false,
    build: "never",
    logLevel: "error",
  });
  const model = await llama.loadModel({ modelPath: setup.model });
  const sequences = Math.max(N_SEQUENCES, setup.n_streams);
  // Its size is that of one sequence, and the longest prompt has to fit into one.
  const context = await model.createContext({
    contextSize: setup.n_ctx / 4,
    sequences,
    threads: setup.n_threads,
    flashAttention: setup.gpu,
  });
  return Array.from(
    { length: sequences },
    () => new LlamaCompletion({ contextSequence: context.getSequence() }),
  );
}

async function answer(completions, { texts, n, limit_s }) {
  const started = performance.now();
  const since = () => (performance.now() - started) / 1000;
  const signal = AbortSignal.timeout(limit_s * 1000);
  let first = 0;
  let tokens = 0;
  const left = [...texts];
  const work = async (completion) => {
    while (left.length > 0) {
      await completion.generateCompletion(left.shift(), {
        maxTokens: n,
        temperature: 0,
        signal,
        stopOnAbortSignal: true,
        onToken: (some) => {
          first ||= since();
          tokens += some.length;
        },
      });
    }
  };
  await Promise.all(completions.slice(0, texts.length).map(work));
  return { first_s: first, seconds: since(), n_tokens: tokens };
}

let completions;
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  const started = performance.now();
  let answered;
  try {
    if (completions === undefined) {
      completions = await load(order.load);
      answered = { seconds: (performance.now() - started) / 1000 };
    } else {
      answered = await answer(completions, order.work);
    }
  } catch (error) {
    answered = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answered)}\n`);
}
process.exit(0);
