import type { World } from "./world.ts";
import { HOUR_MS } from "./world/clock.ts";

const IDLE_ROUNDS = 10;
const ROUNDS_MAX = 2_000;
/** The longest pause of a job, and an hour that a clock was set back, are over after a few of them. */
const IDLE_MS = 15 * 60_000;
const DAYS = 4;

/** From here on all is well: everything is taken, passes, and is told. */
export function calmDown(world: World): void {
  allReturn(world);
  for (let idle = 0, rounds = 0; idle < IDLE_ROUNDS && rounds < ROUNDS_MAX; rounds += 1) {
    const didAny = workCalmly(world);
    idle = didAny ? 0 : idle + 1;
    beatAll(world);
    world.clock.wait(didAny ? 1_000 : IDLE_MS);
  }
  world.forge.calmDown((ms) => world.clock.wait(ms));
}

/** From here on no worker comes: all that waits is given up in the end. */
export function abandon(world: World): void {
  world.server.start();
  world.network.forget();
  for (let days = 0; days < DAYS; days += 1) {
    world.clock.wait(25 * HOUR_MS);
    world.server.records.reconciler.expireQueued();
  }
  world.forge.calmDown((ms) => world.clock.wait(ms));
}

function allReturn({ server, network, buildWorkers }: World): void {
  server.start();
  network.deliverAll();
  for (const index of buildWorkers.indexes) buildWorkers.comeBack(index);
}

function workCalmly({ buildWorkers, forge, publishWorkers }: World): boolean {
  let didAny = false;
  for (const index of buildWorkers.indexes) {
    didAny = buildWorkers.ask(index, false) || didAny;
    didAny = buildWorkers.act(index, 0, 0) || didAny;
  }
  if (forge.ask(0)) didAny = forge.post(0, 0) || didAny;
  for (const index of publishWorkers.indexes) {
    didAny = publishWorkers.ask(index, false) || didAny;
    didAny = publishWorkers.finish(index, 0, 0) || didAny;
  }
  return didAny;
}

function beatAll({ buildWorkers, publishWorkers }: World): void {
  for (const index of buildWorkers.indexes) buildWorkers.beat(index);
  for (const index of publishWorkers.indexes) publishWorkers.beat(index);
}
