import { dockerfileSources, registryOf } from "../../src/domain/dockerfile-sources.ts";
import { InfraFault, UserFault } from "../../src/domain/faults.ts";
import type { Outbound } from "../../src/shared/outbound.ts";
import type { Engine } from "./engine.ts";

/** What looks at the names that a stranger's commit gives to the engine. */
export interface OutsideDeps {
  readonly engine: Pick<Engine, "findImage">;
  /** Undefined: whoever wrote the commit may reach the same places anyway. */
  readonly outbound: Pick<Outbound, "refusal"> | undefined;
}

/**
 * The engine pulls from inside the operator's network, and from beside whatever listens on its machine.
 * An image that lies there already is asked of nobody.
 */
export async function refuseInsideImage(
  { engine, outbound }: OutsideDeps,
  wanted: { readonly name: string; readonly pull: "missing" | "always" },
  signal: AbortSignal,
): Promise<void> {
  const place = registryOf(wanted.name);
  if (place?.host === undefined) return;
  const refusal = await outbound?.refusal(place.host, place.port);
  if (refusal === undefined) return;
  if (wanted.pull === "missing" && (await isHere(engine, wanted.name, signal))) return;
  throw new UserFault("IMAGE_UNKNOWN", `"${wanted.name}" is not pulled: ${refusal}`, {
    hint: HINT,
  });
}

/** The same for what a Dockerfile names, and for the addresses that ADD would be sent to. */
export async function refuseInsideDockerfile(
  { engine, outbound }: OutsideDeps,
  file: {
    readonly path: string;
    readonly text: string;
    readonly args: Readonly<Record<string, string>>;
  },
  signal: AbortSignal,
): Promise<void> {
  if (outbound === undefined) return;
  for (const { line, text, kind, host, port } of dockerfileSources(file.text, file.args)) {
    const place = { file: file.path, line };
    if (host === undefined) {
      // A base image may bring a variable of its own, so what it leads to is not known here.
      if (kind === "image") continue;
      const message = `ADD ${text}: where this leads stands in a variable that the Dockerfile does not set.`;
      throw new UserFault("DOCKERFILE_INVALID", message, {
        hint: "Write the address out, or give the variable a value with ARG.",
        ...place,
      });
    }
    const refusal = await outbound.refusal(host, port);
    if (refusal === undefined) continue;
    if (kind === "image" && (await isHere(engine, text, signal))) continue;
    throw new UserFault("DOCKERFILE_INVALID", `${text} is not fetched: ${refusal}`, {
      hint: HINT,
      ...place,
    });
  }
}

const HINT = "Name a public address, or ask an operator of this server to allow this one.";

async function isHere(
  engine: OutsideDeps["engine"],
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  return await engine.findImage(name, signal, { pull: "never" }).then(
    () => true,
    (err: unknown) => {
      signal.throwIfAborted();
      if (err instanceof UserFault) return false;
      if (err instanceof InfraFault && err.code === "IMAGE_UNAVAILABLE") return false;
      throw err;
    },
  );
}
