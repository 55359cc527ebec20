import { buffer } from "node:stream/consumers";
import type Dockerode from "dockerode";
import { extract } from "tar-stream";
import { UserFault } from "../../../src/domain/faults.ts";
import { getArchive } from "./archive.ts";
import type { Image } from "../engine.ts";

export interface ImageUser {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** Users already looked up, by image and name: an image never changes. */
export type KnownUsers = Map<string, ImageUser>;
const KNOWN_USERS_MAX = 1_000;

const ID_FILE_BYTES_MAX = 1024 * 1024;

/** Who `USER` of an image is. Read from its files, because a name means nothing outside of it. */
export async function findUser(
  known: KnownUsers,
  image: Image,
  container: Dockerode.Container,
  signal: AbortSignal,
): Promise<ImageUser> {
  // Most images run as root; asking each new one for root's home would cost every build 40 ms.
  if (image.user === "") return { uid: 0, gid: 0, home: "/root" };
  const key = `${image.id} ${image.user}`;
  const found = known.get(key);
  if (found) return found;

  const [passwd, group] = await Promise.all([
    readFile(container, "/etc/passwd", signal),
    image.user.includes(":") ? readFile(container, "/etc/group", signal) : "",
  ]);
  const user = resolveUser(image.user, passwd, group);
  if (known.size >= KNOWN_USERS_MAX) known.clear();
  known.set(key, user);
  return user;
}

/** `User` may be empty (root), `name`, `uid`, and either with `:group` or `:gid`. */
export function resolveUser(user: string, passwd: string, group: string): ImageUser {
  const [name = "", groupName] = user === "" ? ["0"] : user.split(":");
  const entry = entries(passwd).find(([login, , uid]) => login === name || uid === name);
  const uid = Number(entry?.[2] ?? name);
  const gid = groupName ? resolveGroup(groupName, group) : Number(entry?.[3] ?? 0);
  if (!isId(uid) || !isId(gid)) throw unknownUser(user);
  return { uid, gid, home: entry?.[5] || "/" };
}

function resolveGroup(name: string, group: string): number {
  const entry = entries(group).find(([groupName, , gid]) => groupName === name || gid === name);
  return Number(entry?.[2] ?? name);
}

function entries(file: string): string[][] {
  return file.split("\n").map((line) => line.split(":"));
}

function isId(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < 2 ** 31;
}

function unknownUser(user: string): UserFault {
  return new UserFault("DOCKERFILE_INVALID", `The image's user "${user}" is not in the image.`, {
    hint: "Add the user in the Dockerfile before its USER line, or name one by number.",
  });
}

async function readFile(
  container: Dockerode.Container,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const archive = await getArchive(container, path, signal);
  if (!archive) return "";
  const tar = extract();
  archive.on("error", (err) => tar.destroy(err)).pipe(tar);
  for await (const entry of tar) {
    const { size, type } = entry.header;
    if (type === "file" && size <= ID_FILE_BYTES_MAX) return (await buffer(entry)).toString();
    entry.resume();
  }
  return "";
}
