import type { Lease } from "../records/kept.ts";
import type { Network } from "./network.ts";
import { oneOf } from "./one-of.ts";
import type { Promises } from "./promises.ts";
import type { Server } from "./server.ts";

interface PublishWorker {
  readonly name: string;
  held: Lease | undefined;
}

/** Publish workers, who forget what they held when they crash. */
export class PublishWorkers {
  crashes = 0;
  readonly #all: readonly PublishWorker[] = [
    { name: "p0", held: undefined },
    { name: "p1", held: undefined },
  ];
  readonly #server: Server;
  readonly #promises: Promises;
  readonly #network: Network;

  constructor(server: Server, promises: Promises, network: Network) {
    this.#server = server;
    this.#promises = promises;
    this.#network = network;
  }

  get indexes(): Iterable<number> {
    return this.#all.keys();
  }

  ask(which: number, isAnswerLost: boolean): boolean {
    const one = oneOf(this.#all, which);
    if (!this.#server.isUp || one.held !== undefined) return false;
    const { publishes } = this.#server.records;
    const [publish] = publishes.claimable();
    if (publish === undefined) return false;
    const lease = { id: publish.id, token: this.#server.newToken() };
    publishes.claim(publish, one.name, lease.token);
    this.#promises.granted(lease);
    if (!isAnswerLost) one.held = lease;
    return true;
  }

  /** One that holds a publish says how it ended. */
  finish(which: number, how: number, way: number): boolean {
    const holders = this.#all.filter(({ held }) => held !== undefined);
    const one = oneOf(holders.length === 0 ? this.#all : holders, which);
    const { held } = one;
    if (held === undefined) return false;
    this.#network.send(way, {
      say: () => this.#sayEnd(held, oneOf(PUBLISH_ENDS, how)),
      hear: () => {
        if (one.held === held) one.held = undefined;
      },
    });
    return true;
  }

  #sayEnd(held: Lease, end: (typeof PUBLISH_ENDS)[number]): void {
    const { publishes } = this.#server.records;
    this.#promises.fenced(held, () =>
      end === "live" || end === "failed" ? publishes.finish(held, end) : publishes.fault(held, end),
    );
  }

  beat(which: number): void {
    const { held } = oneOf(this.#all, which);
    if (!this.#server.isUp || held === undefined) return;
    this.#promises.fenced(held, () => this.#server.records.publishes.renew(held));
  }

  crash(which: number): void {
    this.crashes += 1;
    oneOf(this.#all, which).held = undefined;
  }
}

const PUBLISH_ENDS = [
  "live",
  "live",
  "live",
  "live",
  "live",
  "failed",
  "infra-fault",
  "worker-lost",
  "handed-back",
] as const;
