import type { RestoreGrant } from "../../../src/shared/publish-grants.ts";
import type { Prepared } from "../prepared.ts";

/** Undo, and a new child channel: another generation's lists, under a new number. */
export function prepareRestore({ channel, from }: RestoreGrant): Prepared {
  const { name, head, settings } = channel;
  return {
    changes: [{ channel: name, head, settings, edit: { kind: "restore", from } }],
    packages: [],
    advisories: [],
    warnings: [],
    storing: Promise.resolve(),
  };
}
