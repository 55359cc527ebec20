import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { extract, pack } from "tar-stream";
import { UserFault } from "../../../src/domain/faults.ts";
import { containerFailure } from "../container-failure.ts";
import type { Image } from "../engine.ts";
import type { PackageDeps } from "./package-types.ts";
import { BUILDER, PACKAGE_HOME } from "./spec-inputs.ts";

const FETCHED_BYTES_MAX = 512 * 1024 ** 2;

/**
 * Downloads the sources that the spec names by address, in a container: the worker's own network may
 * reach what a repository must not. Lines are "file address".
 */
export async function fetchSources(
  { image, addresses, specPath }: { image: Image; addresses: string; specPath: string },
  deps: PackageDeps,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Buffer>> {
  const container = await deps.engine.createContainer(
    {
      owner: deps.owner("FETCH"),
      image,
      command: ["sh", `${PACKAGE_HOME}/in/fetch.sh`],
      env: { HOME: PACKAGE_HOME },
      workingDir: "/",
      user: `${BUILDER.uid}:${BUILDER.gid}`,
      volumes: {},
      network: await deps.network("internet"),
      privilege: "package",
      limits: deps.limits,
      gate: false,
    },
    signal,
  );
  try {
    await container.putArchive(inputs(deps.scripts.fetch, addresses), "/", signal);
    await container.start(deps.write, signal);
    const end = await container.wait(signal);
    const failure = containerFailure("fetching sources", end, deps.limits);
    if (failure !== undefined) {
      throw new UserFault("SPEC_SOURCE_MISSING", "A source of the spec could not be fetched.", {
        hint: "The log says which. Check the address, or commit the file beside the spec.",
        file: specPath,
      });
    }
    const archive = await container.getArchive(`${PACKAGE_HOME}/out`, signal);
    return archive === undefined ? new Map() : await readFiles(archive);
  } finally {
    await container.remove(signal);
  }
}

function inputs(script: string, addresses: string): Readable {
  const tar = pack();
  const inner = `${PACKAGE_HOME.slice(1)}/in`;
  for (const name of [PACKAGE_HOME.slice(1), inner]) {
    tar.entry({ name, type: "directory", mode: 0o755, ...BUILDER });
  }
  tar.entry({ name: `${inner}/fetch.sh`, mode: 0o644, ...BUILDER }, script);
  tar.entry({ name: `${inner}/addresses`, mode: 0o644, ...BUILDER }, addresses);
  tar.finalize();
  return Readable.from(tar, { objectMode: false });
}

async function readFiles(archive: NodeJS.ReadableStream): Promise<ReadonlyMap<string, Buffer>> {
  const entries = extract();
  archive.on("error", (err) => entries.destroy(err)).pipe(entries);
  const files = new Map<string, Buffer>();
  let bytes = 0;
  for await (const entry of entries) {
    const { type, size, name } = entry.header;
    bytes += size;
    if (bytes > FETCHED_BYTES_MAX) throw tooLarge();
    if (type !== "file") entry.resume();
    else files.set(name.slice(name.lastIndexOf("/") + 1), await buffer(entry));
  }
  return files;
}

function tooLarge(): UserFault {
  return new UserFault(
    "PACKAGE_LIMIT",
    "The sources that the spec names are larger than 512 MiB.",
    {
      hint: "Keep large sources beside the spec.",
    },
  );
}
