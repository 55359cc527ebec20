import type {
  EndMessage,
  KeptMessage,
  ReportsMessage,
  StepMessage,
} from "../../../src/shared/build-messages.ts";
import type { FaultMessage } from "../../../src/shared/worker-messages.ts";
import type { StepMemo } from "../resume/journal.ts";
import { textMask } from "./mask.ts";

/**
 * What is told of an attempt beside its logs, without secrets: a test's report, an error's message or
 * a file's name may hold one as well as a log.
 */
export interface MaskedMessages {
  step(message: StepMessage): StepMessage;
  kept(message: KeptMessage): KeptMessage;
  reports(message: ReportsMessage): ReportsMessage;
  end(message: EndMessage): EndMessage;
  fault(message: FaultMessage): FaultMessage;
  memo(memo: StepMemo): StepMemo;
}

/** Words of the protocol, digests, and paths that files are found by: they must stay as they are. */
const LEFT = new Set(["code", "confidence", "evidence", "kind", "path", "sha256", "state", "step"]);

export function maskedMessages(secrets: readonly string[]): MaskedMessages {
  const mask = textMask(secrets);
  const hide = <T>(value: T): T => hidden(value, mask) as T;
  return {
    step: hide,
    kept: hide,
    reports: hide,
    end: ({ packages, ...message }) => ({ ...hide(message), packages }),
    fault: hide,
    // Of what else it holds nothing is shown to anybody, and it must stay as it is.
    memo: (memo) => (memo.tests === undefined ? memo : { ...memo, tests: hide(memo.tests) }),
  };
}

function hidden(value: unknown, mask: (text: string) => string): unknown {
  if (typeof value === "string") return mask(value);
  if (Array.isArray(value)) return value.map((each) => hidden(each, mask));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, LEFT.has(key) ? each : hidden(each, mask)]),
  );
}
