import { randomUUID } from "node:crypto";
import { createServer } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import type Dockerode from "dockerode";
import { DEADLINE_MS, call } from "./client.ts";
import { bytesField, numberField, readFields } from "./protobuf.ts";
import type { SecretFile } from "../engine.ts";

const HEALTH = "/grpc.health.v1.Health/Check";
const SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const CREDENTIALS = "/moby.filesync.v1.Auth/Credentials";

const GRPC = { ok: 0, notFound: 5, unimplemented: 12 } as const;
const SERVING = 1;
const FRAME_HEADER_BYTES = 5;

export interface BuildSession {
  readonly id: string;
  close(): void;
}

/**
 * The connection by which BuildKit asks us back while it builds: for a secret's value, whether we are
 * still there, and for a registry's password (there is none: what needs one is pulled before). It is
 * gRPC with the roles turned round, on a connection that the engine took over from HTTP.
 */
export async function openBuildSession(
  docker: Dockerode,
  secrets: readonly SecretFile[],
  signal: AbortSignal,
): Promise<BuildSession> {
  const id = randomUUID();
  const socket = await call(
    { doing: "open a build's session", deadlineMs: DEADLINE_MS.quick, signal },
    () => dialSession(docker, id),
  );
  const server = createServer();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    void answer(stream, headers, secrets).catch(() => stream.close());
  });
  // A connection that breaks shows in the build itself.
  server.on("sessionError", () => undefined).on("error", () => undefined);
  socket.on("error", () => undefined);
  server.emit("connection", socket);
  return { id, close: () => void socket.destroy() };
}

interface Modem {
  dial(request: object, done: (err: unknown, socket: NodeJS.ReadableStream) => void): void;
}

async function dialSession(docker: Dockerode, id: string): Promise<Duplex> {
  const modem = docker.modem as object as Modem;
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const request = {
    path: "/session",
    method: "POST",
    hijack: true,
    headers: {
      Upgrade: "h2c",
      "X-Docker-Expose-Session-Uuid": id,
      "X-Docker-Expose-Session-Name": "tatara",
      "X-Docker-Expose-Session-Sharedkey": "",
      "X-Docker-Expose-Session-Grpc-Method": [HEALTH, SECRET, CREDENTIALS],
    },
    statusCodes: { 200: true, 101: true, 500: "server error" },
  };
  modem.dial(request, (err, socket) => (err ? reject(err) : resolve(socket as Duplex)));
  return promise;
}

async function answer(
  stream: ServerHttp2Stream,
  { ":path": path = "" }: IncomingHttpHeaders,
  secrets: readonly SecretFile[],
): Promise<void> {
  const framed = await buffer(stream);
  const { status, message } = reply(path, framed.subarray(FRAME_HEADER_BYTES), secrets);
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(status) }));
  stream.end(message === undefined ? Buffer.alloc(0) : frame(message));
}

function reply(path: string, request: Buffer, secrets: readonly SecretFile[]) {
  if (path === HEALTH) return { status: GRPC.ok, message: numberField(1, SERVING) };
  if (path === CREDENTIALS) return { status: GRPC.ok, message: Buffer.alloc(0) };
  if (path !== SECRET) return { status: GRPC.unimplemented, message: undefined };
  const [id] = readFields(request);
  const wanted = id && "bytes" in id && id.number === 1 ? id.bytes.toString() : "";
  const secret = secrets.find(({ name }) => name === wanted);
  if (secret === undefined) return { status: GRPC.notFound, message: undefined };
  return { status: GRPC.ok, message: bytesField(1, secret.value) };
}

function frame(message: Buffer): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}
