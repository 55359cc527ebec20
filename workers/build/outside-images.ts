import { dockerfileSources } from "../../src/domain/dockerfile-sources.ts";
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
 * Images that a Dockerfile names, and addresses that ADD would be sent to: the engine would ask for them
 * from inside the operator's network. An image that lies on the engine already is asked of nobody. The
 * images of a pipeline file need no look: a fork's counts only if somebody has read and approved it.
 */
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
