import { Readable } from "node:stream";
import type Dockerode from "dockerode";
import { DEADLINE_MS, call, engineFault, engineMessage, sending, statusOf } from "./client.ts";

export async function putArchive(
  container: Dockerode.Container,
  tar: NodeJS.ReadableStream,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  await sending(tar, () =>
    call(
      { doing: "put files into a container", deadlineMs: DEADLINE_MS.transfer, signal },
      (abortSignal) => container.putArchive(tar, { path, abortSignal }),
    ),
  );
}

export async function getArchive(
  container: Dockerode.Container,
  path: string,
  signal: AbortSignal,
): Promise<NodeJS.ReadableStream | undefined> {
  // Holds for the whole transfer, which goes on when the call has returned.
  const limit = AbortSignal.timeout(DEADLINE_MS.transfer);
  const abortSignal = AbortSignal.any([signal, limit]);
  return call(
    { doing: "get files from a container", deadlineMs: DEADLINE_MS.transfer, signal },
    async () => {
      try {
        return whole(await container.getArchive({ path, abortSignal }));
      } catch (err) {
        if (statusOf(err) === 404 && /could not find the file/i.test(engineMessage(err))) {
          return undefined;
        }
        throw err;
      }
    },
  );
}

/** The stream, with what breaks it on the way told as the engine's fault. */
function whole(archive: NodeJS.ReadableStream): Readable {
  return Readable.from(
    (async function* () {
      try {
        yield* archive;
      } catch (err) {
        throw engineFault(err, "get files from a container");
      }
    })(),
    { objectMode: false },
  );
}
