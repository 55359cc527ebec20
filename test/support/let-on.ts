import { docker } from "./engine-rig.ts";
import { until } from "./until.ts";

/** A line of shell that waits until it is let on: what a step does next is in the test's hands. */
export function waitsFor(name: string | number): string {
  return `until [ -e /tmp/go-${name} ]; do sleep 0.05; done`;
}

export interface WaitingStep {
  readonly job: string;
  readonly step: string;
  readonly attempt?: number;
}

/** Lets a step go on beyond `waitsFor(name)`, also one whose container is still to come. */
export async function letOn(waiting: WaitingStep, name: string | number): Promise<void> {
  const { job, step, attempt = 1 } = waiting;
  const labels = Object.entries({ job, step, attempt: String(attempt) });
  const label = labels.map(([key, value]) => `dev.tatara.${key}=${value}`);
  const isTold = async (): Promise<boolean> => {
    const [found] = await docker.listContainers({ filters: { label } });
    if (found === undefined) return false;
    const Cmd = ["touch", `/tmp/go-${name}`];
    const exec = await docker.getContainer(found.Id).exec({ Cmd });
    await exec.start({ Detach: true });
    return true;
  };
  await until(() => isTold().catch(() => false), true, { deadlineMs: 120_000, everyMs: 50 });
}
