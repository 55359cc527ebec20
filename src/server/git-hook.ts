import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import type { Request } from "express";
import { isRefName, isSha, isTryRef, ZERO_SHA, type Push, type TryWish } from "../domain/push.ts";
import { failpoint } from "../shared/failpoints.ts";
import type { Logger } from "../shared/logger.ts";
import type { IntakeDoor, IntakeResult } from "./intake-types.ts";

const REFS_MAX = 1_000;
const OPTIONS_MAX = 20;

export interface HookDeps {
  readonly intake: IntakeDoor;
  readonly logger: Logger;
  readonly newId: (prefix: string) => string;
  readonly buildUrl: (request: Request, repo: string, number: number) => string;
}

export interface GitCaller {
  readonly name: string;
  readonly mayPush: boolean;
}

/** Who pushes, and where to. */
export interface Pushing {
  readonly repo: string;
  readonly caller: GitCaller;
  readonly request: Request;
}

interface RefUpdate {
  readonly before: string;
  readonly after: string;
  readonly ref: string;
}

/** Reads the hook's list of refs, records the pushes, and answers what the pusher shall see. */
export async function answerHook(
  deps: HookDeps,
  pushing: Pushing,
  hook: Duplex,
  accepted: IntakeResult[],
): Promise<void> {
  hook.on("error", () => undefined);
  const input = createInterface({ input: hook });
  // A backend that could not be started leaves a hook that neither speaks nor ends.
  hook.once("close", () => input.close());
  const updates: RefUpdate[] = [];
  const options: string[] = [];
  try {
    for await (const line of input) {
      if (line === "") break;
      if (line.startsWith("option ")) {
        if (options.length < OPTIONS_MAX) options.push(line.slice("option ".length));
        continue;
      }
      const [before, after, ref] = line.split(" ");
      if (before && after && ref) updates.push({ before, after, ref });
      if (updates.length > REFS_MAX) break;
    }
    if (updates.length === 0) return;
    await failpoint("push.before-commit");
    const refusal = refuseUpdates(updates);
    const lines =
      refusal === undefined
        ? await recordAll(deps, pushing, { updates, options }, accepted)
        : [refusal];
    await failpoint("push.after-commit");
    hook.end(`${refusal === undefined ? "ok" : "refused"}\n${lines.join("\n")}\n`);
    await failpoint("push.after-verdict");
  } catch (err) {
    deps.logger.error({ err, repo: pushing.repo }, "Push could not be recorded");
    hook.end("refused\nTatara could not record this push, so nothing was accepted. Push again.\n");
  }
}

function refuseUpdates(updates: readonly RefUpdate[]): string | undefined {
  if (updates.length > REFS_MAX) return `At most ${REFS_MAX} refs are taken in one push.`;
  const odd = updates.find(
    ({ ref, before, after }) => !isTakenRef(ref) || !isSha(before) || !isSha(after),
  );
  if (odd !== undefined) return `${odd.ref}: only branches and tags with plain names are taken.`;
  const again = updates.find(
    ({ ref, before, after }) => isTryRef(ref) && (!ZERO_SHA.test(before) || ZERO_SHA.test(after)),
  );
  return again && `${again.ref}: each try makes a ref of its own, and Tatara removes it.`;
}

function isTakenRef(ref: string): boolean {
  return isRefName(ref) || isTryRef(ref);
}

/** `steps=unit,lint` and `fresh`, as `tatara try` says them. */
function readTry(options: readonly string[]): TryWish {
  const named = options.find((option) => option.startsWith("steps="));
  const steps = named?.slice("steps=".length).split(",").filter(Boolean) ?? [];
  return { steps: steps.length === 0 ? null : steps, isFresh: options.includes("fresh") };
}

async function recordAll(
  deps: HookDeps,
  { repo, caller, request }: Pushing,
  {
    updates,
    options,
  }: { readonly updates: readonly RefUpdate[]; readonly options: readonly string[] },
  accepted: IntakeResult[],
): Promise<string[]> {
  const recorded = await Promise.allSettled(
    updates.map((update) => {
      const push: Push = {
        forge: "own",
        repo,
        ...update,
        sha: undefined,
        pusher: caller.name,
        trust: "trusted",
        defaultBranch: undefined,
        message: "",
        authorName: "",
        ...(isTryRef(update.ref) ? { trust: "manual", tried: readTry(options) } : {}),
      };
      const deliveryId = deps.newId("push");
      return deps.intake.accept({
        forge: "own",
        deliveryId,
        bodyDigest: null,
        event: "push",
        push,
      });
    }),
  );
  const results = recorded.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  accepted.push(...results);
  const failed = recorded.find((one) => one.status === "rejected");
  if (failed !== undefined)
    throw new Error("A ref could not be recorded.", { cause: failed.reason });
  return results.map((result, index) => {
    const ref = updates[index]?.ref ?? "";
    if (result.kind !== "accepted") return `Tatara  ${ref}: ${result.reason}`;
    const shown = isTryRef(ref) ? "this try" : ref;
    return `Tatara  ${shown} is build #${result.number}  ${deps.buildUrl(request, repo, result.number)}`;
  });
}
