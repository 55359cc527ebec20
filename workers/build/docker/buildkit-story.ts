import { readTrace } from "./buildkit-trace.ts";
import type { Vertex } from "./buildkit-trace.ts";

const INSTRUCTION = /^\[(?:(\S+) )?(\d+)\/(\d+)\] (.*)$/s;
const METADATA = /^\[internal\] load metadata for (\S+)$/;
const CLIPPED = /\[output clipped, log limit [^\]]* reached\]/;
const CLIPPED_NOTE =
  "Tatara: the engine's BuildKit left out a part of this output. " +
  "The server's operator can raise BUILDKIT_STEP_LOG_MAX_SIZE and BUILDKIT_STEP_LOG_MAX_SPEED.\n";

export interface BuildKitStory {
  /** Takes one trace and says what is new in it, in the classic builder's words. */
  tell(base64: string): Buffer;
  /** The instruction that failed, as the Dockerfile has it; null: something else did. */
  failed(): string | null;
  /** The image whose loading failed. */
  missingImage(): string | undefined;
  /** The image that is being loaded, while nothing of the user's runs. */
  awaitedImage(): string | undefined;
  layers(): { readonly reused: number; readonly total: number };
}

/** What BuildKit told so far. Instructions of several stages run at once, so each says whose line it is. */
export function buildKitStory(): BuildKitStory {
  const known = new Map<string, Vertex>();
  /** The instruction whose lines are being shown. */
  let shown: string | undefined;
  let isClipped = false;

  const announce = (vertex: Vertex): string => {
    const before = known.get(vertex.digest);
    known.set(vertex.digest, vertex);
    const isNews = vertex.isCached ? !before?.isCached : vertex.hasStarted && !before?.hasStarted;
    const line = isNews ? lineOf(vertex) : undefined;
    if (line === undefined) return "";
    shown = vertex.digest;
    return vertex.isCached ? `${line} ---> Using cache\n` : line;
  };
  const say = (digest: string, text: Buffer): Buffer[] => {
    const vertex = known.get(digest);
    const line = vertex && digest !== shown ? (lineOf(vertex) ?? "") : "";
    shown = digest;
    const isCut = !isClipped && CLIPPED.test(text.toString("latin1"));
    isClipped ||= isCut;
    return [Buffer.from(line), text, Buffer.from(isCut ? CLIPPED_NOTE : "")];
  };
  const failing = () => [...known.values()].find(({ error }) => error !== "" && !isEcho(error));

  return {
    tell: (base64) => {
      const { vertexes, logs } = readTrace(base64);
      const lines = vertexes.map((vertex) => Buffer.from(announce(vertex)));
      return Buffer.concat([...lines, ...logs.flatMap(({ vertex, text }) => say(vertex, text))]);
    },
    failed: () => INSTRUCTION.exec(failing()?.name ?? "")?.[4] ?? null,
    missingImage: () => METADATA.exec(failing()?.name ?? "")?.[1],
    awaitedImage: () => {
      const running = [...known.values()].filter(
        ({ hasStarted, hasEnded }) => hasStarted && !hasEnded,
      );
      if (running.some(({ name }) => isLayer(name))) return undefined;
      return running.map(({ name }) => loadedBy(name)).find((image) => image !== undefined);
    },
    layers: () => {
      const all = [...known.values()].filter(({ name }) => isLayer(name));
      return { reused: all.filter(({ isCached }) => isCached).length, total: all.length };
    },
  };
}

/** An instruction that ended only because another failed. */
function isEcho(error: string): boolean {
  return /context canceled/i.test(error);
}

function lineOf({ name }: Vertex): string | undefined {
  const [, stage, at, total, text] = INSTRUCTION.exec(name) ?? [];
  if (text === undefined) return undefined;
  const where = stage === undefined ? "" : ` (${stage})`;
  return `Step ${at}/${total}${where} : ${text}\n`;
}

function loadedBy(name: string): string | undefined {
  const from = /^FROM (\S+)/i.exec(INSTRUCTION.exec(name)?.[4] ?? "");
  return METADATA.exec(name)?.[1] ?? from?.[1];
}

function isLayer(name: string): boolean {
  const text = INSTRUCTION.exec(name)?.[4];
  return text !== undefined && !/^FROM\b/i.test(text);
}
