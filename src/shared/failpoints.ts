import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Places where a torture run may hurt the product. A test holds this list equal to what the source
 * uses, so that a sweep over it leaves no place out. Nothing happens at any of them unless
 * `TATARA_FAILPOINTS` names it.
 */
export const FAILPOINTS = [
  "commit.before",
  "commit.after",
  "intake.before-commit",
  "intake.after-commit",
  "intake.after-ticket",
  "push.before-commit",
  "push.after-commit",
  "push.after-verdict",
  "push.after-move",
  "push.after-ready",
  "claim.after-commit",
  "plan.after-commit",
  "step.after-commit",
  "log.before-append",
  "log.after-append",
  "artifact.before-store",
  "artifact.after-store",
  "end.before-commit",
  "end.after-commit",
  "publish-claim.after-commit",
  "switch.before-commit",
  "switch.after-commit",
  "publish-end.after-commit",
  "status-claim.after-commit",
  "status-answer.after-commit",
  "reconcile.before-tickets",
  "reconcile.after-tickets",
] as const;
export type Failpoint = (typeof FAILPOINTS)[number];

/** What happens at one of them, at the `hit`-th time that it is reached, and at no other. */
export interface ArmedFailpoint {
  readonly name: Failpoint;
  readonly hit: number;
  readonly action: FailpointAction;
}

export type FailpointAction =
  | { readonly kind: "kill" | "hang" | "throw" }
  | { readonly kind: "delay"; readonly ms: number };

interface Armed {
  readonly points: readonly ArmedFailpoint[];
  readonly reached: Map<Failpoint, number>;
  readonly tell: (point: ArmedFailpoint) => void;
}

/** One per process, since the places are everywhere. */
let armed: Armed | undefined;

const POINT = /^([a-z.-]+?)(?:@([1-9]\d{0,6}))?:(?:(kill|hang|throw)|delay=(\d{1,7}))$/;
const FROM_FILE = "file:";

/**
 * `intake.after-commit@3:kill, claim.after-commit:delay=500`; or `file:<path>`, whose content is read
 * now, so that a harness may arm one life of a process only. Throws an error that names what is wrong.
 */
export function parseFailpoints(setting: string): readonly ArmedFailpoint[] {
  const text = setting.startsWith(FROM_FILE) ? contentOf(setting.slice(FROM_FILE.length)) : setting;
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(parsePoint);
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // Nothing is armed.
  }
}

function parsePoint(text: string): ArmedFailpoint {
  const [, found, hit = "1", kind, ms] = POINT.exec(text) ?? [];
  const name = FAILPOINTS.find((known) => known === found);
  if (name === undefined) {
    throw new Error(
      `TATARA_FAILPOINTS: ${text}: name@hit:action is expected, the action being kill, hang, throw ` +
        `or delay=<ms>, the name one of ${FAILPOINTS.join(", ")}.`,
    );
  }
  const action: FailpointAction =
    ms === undefined
      ? { kind: (kind ?? "throw") as "kill" | "hang" | "throw" }
      : { kind: "delay", ms: Number(ms) };
  return { name, hit: Number(hit), action };
}

/** Called once by a `main.ts`. `tell` hears of each that is reached, before it acts. */
export function armFailpoints(
  points: readonly ArmedFailpoint[],
  tell: (point: ArmedFailpoint) => void = () => undefined,
): void {
  armed = points.length === 0 ? undefined : { points, reached: new Map(), tell };
}

/** Returns at once, and nothing, unless this place is armed. */
export function failpoint(name: Failpoint): Promise<void> | undefined {
  return armed === undefined ? undefined : reach(name, armed);
}

async function reach(name: Failpoint, { points, reached, tell }: Armed): Promise<void> {
  const hit = (reached.get(name) ?? 0) + 1;
  reached.set(name, hit);
  const point = points.find((one) => one.name === name && one.hit === hit);
  if (point === undefined) return;
  tell(point);
  const { action } = point;
  if (action.kind === "delay") return await delay(action.ms);
  if (action.kind === "throw") throw new Error(`Failpoint ${name} was reached.`);
  if (action.kind === "kill") process.kill(process.pid, "SIGKILL");
  // A kill takes a moment to arrive; until then this is a hang as well.
  await new Promise<never>(() => undefined);
}
