import { Agent, request } from "node:http";
import type { IncomingMessage } from "node:http";

const ANSWER_MS = 30_000;
const BODY_BYTES_MAX = 4 * 2 ** 20;

export interface RawCall {
  readonly method: string;
  /** As it goes over the line: nothing is made whole or left out. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer | undefined;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** Empty of an event stream, which is left as soon as it began. */
  readonly text: string;
}

/** Makes calls that `fetch` would mend or refuse. */
export interface RawCaller extends Disposable {
  /** Rejects when there is no answer, or none that ends within 30 s. */
  call(wanted: RawCall): Promise<RawAnswer>;
}

export function rawCaller(url: string): RawCaller {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  return {
    call: (wanted) => callOnce({ hostname, port, agent }, wanted),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

function callOnce(
  place: { readonly hostname: string; readonly port: string; readonly agent: Agent },
  { method, path, headers, body }: RawCall,
): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const signal = AbortSignal.timeout(ANSWER_MS);
  const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  const sent = request({
    ...place,
    method,
    path,
    headers: { ...length, ...headers } as Record<string, string>,
    signal,
  });
  sent.once("error", (cause) =>
    reject(new Error(`${method} ${path} was not answered.`, { cause })),
  );
  sent.once("response", (response) => {
    const { statusCode: status = 0 } = response;
    if (response.headers["content-type"]?.startsWith("text/event-stream") === true) {
      resolve({ status, headers: response.headers, text: "" });
      response.destroy();
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    });
    response.once("error", reject);
    response.once("end", () =>
      resolve({ status, headers: response.headers, text: Buffer.concat(chunks).toString() }),
    );
  });
  sent.end(body);
  return promise;
}
