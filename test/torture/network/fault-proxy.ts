import { once } from "node:events";
import { rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** What is done to the bytes between two ends: Toxiproxy's set, both ways at once. */
export type Fault =
  /** Each piece arrives later, by `ms` ± `jitterMs`; the order stays. */
  | { readonly kind: "latency"; readonly ms: number; readonly jitterMs: number }
  | { readonly kind: "bandwidth"; readonly bytesPerSecond: number }
  /** Pieces of at most `bytes`, each `everyMs` after the last. */
  | { readonly kind: "slices"; readonly bytes: number; readonly everyMs: number }
  /** Nothing passes any more; after `ms` the connection ends. */
  | { readonly kind: "timeout"; readonly ms: number }
  /** Torn down by RST (a unix socket knows only an end), `afterMs` after its first byte. */
  | { readonly kind: "reset"; readonly afterMs: number }
  /**
   * The far end is gone and the near end never hears of it: what it says is taken and never answered,
   * also on connections that it opens now, and also after the fault was lifted. Keep-alive of the
   * kernel, if any, finds out after `resetAfterMs`.
   */
  | { readonly kind: "half-open"; readonly resetAfterMs: number }
  /** Whoever ends a connection is heard `ms` later. */
  | { readonly kind: "slow-close"; readonly ms: number };

export type FaultKind = Fault["kind"];

/** A port of this machine, or a unix socket. */
export type Place = { readonly port: number } | { readonly path: string };

export interface FaultProxy extends AsyncDisposable {
  readonly place: Place;
  /** For connections that are open and for those that come; undefined lets all pass. */
  set(fault: Fault | undefined): void;
  /** Connections of the near end that are open now. */
  openCount(): number;
}

/** So much may wait on its way in one direction before the sender is held up. */
const IN_FLIGHT_BYTES_MAX = 2 ** 20;

interface Link {
  readonly near: Socket;
  readonly far: Socket;
  /** Its far end is gone for good; the near end may wait for ever. */
  isDead: boolean;
}

/** Stands between two ends and passes bytes on, as faulty as it is told. */
export async function startFaultProxy(options: {
  /** Unset: a free port of 127.0.0.1. */
  readonly listen?: { readonly path: string };
  /** Asked for each connection: the far end may not be known yet. */
  readonly to: () => Place;
  /** In [0, 1): where jitter is drawn from. */
  readonly random?: () => number;
}): Promise<FaultProxy> {
  const { to, random = Math.random } = options;
  const links = new Set<Link>();
  let fault: Fault | undefined;

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ ...to(), allowHalfOpen: true, noDelay: true });
    const link: Link = { near, far, isDead: false };
    links.add(link);
    const drop = (): void => {
      if (!link.isDead) near.destroy();
      far.destroy();
    };
    near.on("error", drop).once("close", () => links.delete(link));
    far.on("error", drop);
    apply(link, fault);
    const context = { current: () => fault, random };
    void pump(near, far, link, context).catch(drop);
    void pump(far, near, link, context).catch(drop);
  });
  await listen(server, options.listen);

  return {
    place: options.listen ?? { port: (server.address() as AddressInfo).port },
    set: (next) => {
      fault = next;
      for (const link of links) apply(link, next);
    },
    openCount: () => links.size,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const { near, far } of links) {
        near.destroy();
        far.destroy();
      }
      if (options.listen !== undefined) await rm(options.listen.path, { force: true });
    },
  };
}

async function listen(server: Server, at: { readonly path: string } | undefined): Promise<void> {
  if (at === undefined) server.listen(0, "127.0.0.1");
  else {
    // A socket that an earlier life left is in the way.
    await rm(at.path, { force: true });
    server.listen(at.path);
  }
  await once(server, "listening");
}

/** What a fault does to a connection as such; what it does to bytes is in `pump`. */
function apply(link: Link, fault: Fault | undefined): void {
  if (fault?.kind === "half-open") {
    link.isDead = true;
    link.far.destroy();
    if (Number.isFinite(fault.resetAfterMs)) void later(fault.resetAfterMs, () => reset(link));
  }
  if (fault?.kind === "timeout") void later(fault.ms, () => end(link));
  if (fault?.kind === "reset") void later(fault.afterMs, () => reset(link));
}

async function later(ms: number, act: () => void): Promise<void> {
  await delay(ms, undefined, { ref: false });
  act();
}

function end({ near, far }: Link): void {
  near.destroy();
  far.destroy();
}

function reset({ near, far }: Link): void {
  for (const socket of [near, far]) {
    // RST is TCP's; a unix socket can only be closed.
    if (socket.remoteFamily === undefined) socket.destroy();
    else socket.resetAndDestroy();
  }
}

interface PumpContext {
  readonly current: () => Fault | undefined;
  readonly random: () => number;
}

/** Passes what `from` says on to `to`, in order, until `from` has ended; rejects if it broke off. */
async function pump(from: Socket, to: Socket, link: Link, context: PumpContext): Promise<void> {
  let tail: Promise<void> = Promise.resolve();
  let inFlightBytes = 0;
  // An end of one direction must not tear down the other.
  for await (const chunk of from.iterator({ destroyOnReturn: false })) {
    if (link.isDead) continue;
    const fault = context.current();
    if (fault?.kind === "timeout") continue;
    const bytes = chunk as Buffer;
    const dueAt = performance.now() + latencyOf(fault, context.random);
    inFlightBytes += bytes.length;
    tail = tail
      .then(() => delay(Math.max(0, dueAt - performance.now())))
      .then(() => passOn(bytes, to, context))
      .then(() => void (inFlightBytes -= bytes.length));
    if (inFlightBytes > IN_FLIGHT_BYTES_MAX) await tail;
  }
  await tail;
  const fault = context.current();
  if (fault?.kind === "slow-close") await delay(fault.ms);
  if (!link.isDead) to.end();
}

function latencyOf(fault: Fault | undefined, random: () => number): number {
  if (fault?.kind !== "latency") return 0;
  return fault.ms + (random() * 2 - 1) * fault.jitterMs;
}

async function passOn(chunk: Buffer, to: Socket, { current }: PumpContext): Promise<void> {
  for (let at = 0; at < chunk.length;) {
    // Looked at for each piece: a slow link is fast again as soon as the fault is lifted.
    const fault = current();
    const piece = chunk.subarray(at, at + pieceBytes(fault));
    at += piece.length;
    if (to.destroyed) return;
    if (!to.write(piece)) await drained(to);
    if (fault?.kind === "slices") await delay(fault.everyMs);
    if (fault?.kind === "bandwidth") await delay((piece.length * 1_000) / fault.bytesPerSecond);
  }
}

/** Or gone: then its own handler ends the other. */
async function drained(to: Socket): Promise<void> {
  const gone = new AbortController();
  const { signal } = gone;
  const waits = ["drain", "close"].map((event) => once(to, event, { signal }));
  await Promise.race(waits).catch(() => undefined);
  for (const wait of waits) wait.catch(() => undefined);
  gone.abort();
}

function pieceBytes(fault: Fault | undefined): number {
  if (fault?.kind === "slices") return fault.bytes;
  // A tenth of a second of what the link carries.
  if (fault?.kind === "bandwidth") return Math.max(1, Math.floor(fault.bytesPerSecond / 10));
  return Number.POSITIVE_INFINITY;
}
