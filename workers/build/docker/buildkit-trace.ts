import { readFields } from "./protobuf.ts";

/** What BuildKit tells of a build as it goes; instructions and their output come side by side. */
export interface Trace {
  readonly vertexes: readonly Vertex[];
  readonly logs: readonly { readonly vertex: string; readonly text: Buffer }[];
}

/** An instruction, or something that BuildKit does of its own. It is told of again as it changes. */
export interface Vertex {
  readonly digest: string;
  readonly name: string;
  readonly isCached: boolean;
  readonly hasStarted: boolean;
  readonly hasEnded: boolean;
  readonly error: string;
}

/** A line's `moby.buildkit.trace`: base64 of `moby.buildkit.v1.StatusResponse`. */
export function readTrace(base64: string): Trace {
  const vertexes: Vertex[] = [];
  const logs: { vertex: string; text: Buffer }[] = [];
  for (const field of readFields(Buffer.from(base64, "base64"))) {
    if (!("bytes" in field)) continue;
    if (field.number === 1) vertexes.push(readVertex(field.bytes));
    if (field.number === 3) logs.push(readLog(field.bytes));
  }
  return { vertexes, logs };
}

function readVertex(message: Buffer): Vertex {
  const [texts, numbers] = byNumber(message);
  return {
    digest: texts.get(1)?.toString() ?? "",
    name: texts.get(3)?.toString() ?? "",
    isCached: numbers.get(4) === 1,
    hasStarted: texts.has(5),
    hasEnded: texts.has(6),
    error: texts.get(7)?.toString() ?? "",
  };
}

function readLog(message: Buffer) {
  const [texts] = byNumber(message);
  return { vertex: texts.get(1)?.toString() ?? "", text: texts.get(4) ?? Buffer.alloc(0) };
}

function byNumber(message: Buffer) {
  const texts = new Map<number, Buffer>();
  const numbers = new Map<number, number>();
  for (const field of readFields(message)) {
    if ("bytes" in field) texts.set(field.number, field.bytes);
    else numbers.set(field.number, field.value);
  }
  return [texts, numbers] as const;
}
