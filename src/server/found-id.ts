import { createHash } from "node:crypto";
import type { FoundBy } from "./intake-types.ts";

/** Stands for a delivery's id where nobody delivered: the same facts give the same id. */
export function foundId(foundBy: FoundBy, facts: readonly string[]): string {
  const digest = createHash("sha256").update(facts.join("\n")).digest("hex");
  return `${foundBy}-${digest.slice(0, 40)}`;
}
