import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface SwallowingGate extends AsyncDisposable {
  readonly url: string;
  /** What is connected now hears and says nothing from then on; new lines are good. */
  swallow(): void;
}

/** A way to a Redis on a socket, by TCP. */
export async function swallowingGate(socket: string): Promise<SwallowingGate> {
  const open = new Set<Socket>();
  const server = createServer((inner) => {
    const outer = connect(socket);
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      open.add(from);
      from.on("data", (chunk) => to.write(chunk));
      from.on("error", () => undefined);
      from.on("close", () => to.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    swallow: () => {
      for (const one of open) one.removeAllListeners("data").on("data", () => undefined);
    },
    [Symbol.asyncDispose]: async () => {
      for (const one of open) one.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, "close");
    },
  };
}
