import { checkIdentities, refusedFor } from "../check-identities.ts";
import type { Checked } from "../check-identities.ts";
import { UserFault } from "../../../src/domain/faults.ts";
import type { Refusal } from "../../../src/shared/message-parts.ts";
import type { Publish } from "../publish-context.ts";
import { shown } from "./read-all.ts";
import type { FoundPackage } from "./read-package.ts";

const BATCH = 500;
const SHOWN_MAX = 100;

/** Asks the server about all of them, a batch at a time; what it refuses is told together. */
export async function checkAllIdentities(
  packages: readonly { readonly found: FoundPackage }[],
  publish: Pick<Publish, "server" | "grant">,
  signal: AbortSignal,
): Promise<Checked> {
  const published = new Map<string, string>();
  const warnings: string[] = [];
  const refusals: Refusal[] = [];
  for (let at = 0; at < packages.length; at += BATCH) {
    const identities = packages.slice(at, at + BATCH).map(({ found }) => found.identity);
    try {
      const checked = await checkIdentities(identities, publish, signal);
      for (const [unsigned, signed] of checked.published) published.set(unsigned, signed);
      warnings.push(...checked.warnings);
    } catch (err) {
      if (!(err instanceof UserFault)) throw err;
      const { code, hint } = err;
      refusals.push(...err.message.split("\n").map((message) => ({ code, message, hint })));
      if (refusals.length > SHOWN_MAX) break;
    }
  }
  if (refusals.length === 0) return { published, warnings };
  const { code, message, hint } = refusedFor(refusals);
  throw new UserFault(code, shown(message.split("\n"), SHOWN_MAX).join("\n"), { hint });
}
