import { EventEmitter } from "node:events";
import type { Live, LogKey } from "./views.ts";

/**
 * Tells the open pages of this process what changed. One server process owns a database, so nothing
 * has to travel further; a page that misses something reads the record when it reconnects.
 */
export function createLive(): Live {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  const on = (name: string, listener: (...values: never[]) => void): (() => void) => {
    emitter.on(name, listener as (...values: unknown[]) => void);
    return () => void emitter.off(name, listener as (...values: unknown[]) => void);
  };
  return {
    buildChanged: (buildId) => void emitter.emit("build", buildId),
    publishChanged: (change) => void emitter.emit("publish", change),
    logGrew: (log: LogKey, sizeBytes) => void emitter.emit("log", log, sizeBytes),
    onBuild: (listener) => on("build", listener),
    onPublish: (listener) => on("publish", listener),
    onLog: (listener) => on("log", listener),
  };
}
