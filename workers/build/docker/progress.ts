import { InfraFault } from "../../../src/domain/faults.ts";
import { engineFault } from "./client.ts";

/** One line of the engine's answer to a build or a pull. */
export interface Progress {
  readonly stream?: string;
  readonly id?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number };
  /** The image, or (BuildKit) a trace in base64. */
  readonly aux?: { readonly ID?: string } | string;
  readonly error?: string;
  readonly errorDetail?: { readonly code?: number; readonly message?: string };
}

const LINE_CHARS_MAX = 1024 * 1024;

/** The answer's lines, one by one: a build that failed answers 200, so each must be looked at. */
export async function* progressLines(answer: NodeJS.ReadableStream): AsyncGenerator<Progress> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of received(answer)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_CHARS_MAX) throw new InfraFault("ENGINE_FAILED", "Line without end.");
    yield* lines.filter((line) => line.trim() !== "").map(parseProgress);
  }
  if (rest.trim() !== "") yield parseProgress(rest);
}

async function* received(answer: NodeJS.ReadableStream): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of answer) yield chunk as Buffer;
  } catch (err) {
    throw engineFault(err, "end its answer");
  }
}

function parseProgress(line: string): Progress {
  try {
    return JSON.parse(line) as Progress;
  } catch (err) {
    throw new InfraFault("ENGINE_FAILED", "The engine's answer was cut off.", { cause: err });
  }
}

export function errorOf({ error, errorDetail }: Progress): string | undefined {
  return errorDetail?.message ?? error;
}
