import { Readable } from "node:stream";
import { pack } from "tar-stream";

/** A tar with an empty home folder, to be unpacked at the root. */
export function homeOf(user: {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}): Readable {
  const { uid, gid, home } = user;
  const tar = pack();
  tar.entry({ name: home.slice(1), type: "directory", mode: 0o755, uid, gid });
  tar.finalize();
  return Readable.from(tar, { objectMode: false });
}
