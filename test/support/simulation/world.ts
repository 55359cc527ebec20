import type { Lives } from "./records/lives.ts";
import type { Rules } from "./rules.ts";
import { BuildWorkers } from "./world/build-workers.ts";
import { Clock } from "./world/clock.ts";
import { Forge } from "./world/forge.ts";
import { Network } from "./world/network.ts";
import { People } from "./world/people.ts";
import { Promises } from "./world/promises.ts";
import { PublishWorkers } from "./world/publish-workers.ts";
import { Server } from "./world/server.ts";

/**
 * A whole Tatara in memory: a server that crashes, workers, publishers, posters and a forge, a
 * network that delays, repeats, reorders and loses, people, and a clock that jumps. All of it runs on
 * the same rules as the server; nothing in here decides what becomes of a build.
 */
export class World {
  readonly server: Server;
  readonly network: Network;
  readonly promises: Promises;
  readonly forge: Forge;
  readonly clock: Clock;
  readonly people: People;
  readonly buildWorkers: BuildWorkers;
  readonly publishWorkers: PublishWorkers;

  constructor(rules: Rules) {
    this.server = new Server(rules);
    this.network = new Network(this.server);
    this.promises = new Promises(this.lives);
    this.forge = new Forge(this.lives);
    this.clock = new Clock(this.server, this.forge);
    this.people = new People(this.server, this.promises);
    this.buildWorkers = new BuildWorkers(this.server, this.promises, this.network);
    this.publishWorkers = new PublishWorkers(this.server, this.promises, this.network);
  }

  /** What its server keeps. */
  get lives(): Lives {
    return this.server.records.lives;
  }

  /** What was done to it that nobody wishes for. */
  get faults(): number {
    const { server, network, buildWorkers, publishWorkers, clock } = this;
    const crashes = buildWorkers.crashes + publishWorkers.crashes;
    return server.deaths + network.faults + crashes + clock.jumps;
  }
}
