import { parentPort, workerData } from "node:worker_threads";
import type {
  AssemblyAnswer,
  AssemblyCall,
  AssemblyCalls,
  AssemblyError,
  ThreadData,
} from "../assembly-calls.ts";
import { openAssembly } from "./assembly.ts";

/** Entry of the thread: messages in, answers out; calls may overlap. */
const port = parentPort;
if (port === null) throw new Error("This file is the entry of a worker thread.");
const assembly = openAssembly(workerData as ThreadData);

port.on("message", (call: AssemblyCall) => {
  void answer(assembly, call).then((made) => port.postMessage(made));
});

async function answer(
  calls: AssemblyCalls,
  { id, name, request }: AssemblyCall,
): Promise<AssemblyAnswer> {
  try {
    const handle = calls[name] as (request: unknown) => Promise<unknown>;
    return { id, ok: true, value: await handle(request) };
  } catch (err) {
    return { id, ok: false, error: errorOf(err) };
  }
}

function errorOf(err: unknown): AssemblyError {
  if (!(err instanceof Error)) {
    return { name: "Error", message: String(err), code: undefined, stack: undefined };
  }
  const code = "code" in err && typeof err.code === "string" ? err.code : undefined;
  return { name: err.name, message: err.message, code, stack: err.stack };
}
