import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express from "express";
import { yumRoutes } from "../../src/server/yum/routes.ts";
import { servedSince } from "../../src/yum/target-state.ts";
import type { YumEngineRig } from "./yum-engine-rig.ts";

/** The server's yum routes over what an engine makes. */
export interface ServedEngine extends AsyncDisposable {
  readonly url: string;
}

/** Channels have one target, and point where the rig says. */
export async function serveEngine(rig: YumEngineRig, target: string): Promise<ServedEngine> {
  const channel = async (name: string) => {
    const head = rig.heads.get(name);
    const state = head === undefined ? undefined : await rig.engine.state(name, head, target);
    return head && state ? { head, targets: servedSince(target, state) } : undefined;
  };
  const deps = { yumDir: rig.layout.yumDir, heads: { channel }, refused: async () => false };
  const app = express();
  app.use("/yum", yumRoutes({ ...deps, publicUrlOf: () => url }));
  const listener = app.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      listener.closeAllConnections();
      listener.close();
    },
  };
}
