import { access, chmod, cp, link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CrashImage, Kept } from "./crash-image.ts";

/** Crash images as real folders; bytes that several have are written once. */
export interface ImageFiles {
  /** Calls `look` with a folder that holds these paths; nobody may write to it. */
  readIn<T>(
    image: CrashImage,
    concerns: (path: string) => boolean,
    look: (folder: string) => Promise<T>,
  ): Promise<T>;
  /** Fills a folder that is then somebody's own. */
  writeTo(image: CrashImage, folder: string): Promise<void>;
}

export function imageFiles(dir: string): ImageFiles {
  const blobs = join(dir, "blobs");
  const blobOf = async ({ key, bytes }: Kept): Promise<string> => {
    const path = join(blobs, key);
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (!isThere) {
      await mkdir(blobs, { recursive: true });
      await writeFile(path, bytes());
    }
    return path;
  };
  const fill = async (
    image: CrashImage,
    folder: string,
    concerns: (path: string) => boolean,
  ): Promise<void> => {
    await mkdir(folder, { recursive: true });
    for (const [path, kept] of image) {
      if (!concerns(path)) continue;
      const to = join(folder, path);
      if (kept.kind === "folder") await mkdir(to, { recursive: true });
      else if (kept.kind === "symlink") await symlink(kept.bytes().toString(), to);
      else {
        await mkdir(dirname(to), { recursive: true });
        await link(await blobOf(kept), to);
      }
    }
  };
  return {
    readIn: async (image, concerns, look) => {
      const folder = await mkdtemp(join(dir, "image-"));
      try {
        await fill(image, folder, concerns);
        return await look(folder);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    writeTo: async (image, folder) => {
      const linked = await mkdtemp(join(dir, "image-"));
      try {
        await fill(image, linked, () => true);
        await cp(linked, folder, { recursive: true, preserveTimestamps: true });
        for (const [path, { kind }] of image) {
          // As strict as any of them is: keys and tokens are refused when others can read them.
          if (kind !== "symlink")
            await chmod(join(folder, path), kind === "folder" ? 0o700 : 0o600);
        }
      } finally {
        await rm(linked, { recursive: true, force: true });
      }
    },
  };
}
