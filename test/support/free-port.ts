import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below the ports that systems give to whoever asks for any, and to whoever connects: one of those may
 * be another's by the time that it is listened on, or listened on again after a restart.
 */
const LOWEST = 20_000;
const BLOCKS = 700;
/** Each process begins in a block of its own: files run side by side. */
const BLOCK_SIZE = 16;
const COUNT = BLOCKS * BLOCK_SIZE;

let given = 0;

/** A port of this machine that nobody listens on, nor will unless told its number. */
export async function aFreePort(): Promise<number> {
  const first = (process.pid % BLOCKS) * BLOCK_SIZE;
  for (let tries = 0; tries < COUNT; tries += 1) {
    const port = LOWEST + ((first + given) % COUNT);
    given += 1;
    if (await isFree(port)) return port;
  }
  throw new Error(`No port from ${LOWEST} to ${LOWEST + COUNT - 1} is free.`);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, "127.0.0.1");
  const isOurs = await Promise.race([
    once(probe, "listening").then(() => true),
    once(probe, "error").then(() => false),
  ]).catch(() => false);
  if (!isOurs) return false;
  probe.close();
  await once(probe, "close");
  return true;
}
