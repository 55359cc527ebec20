import type { Image } from "./engine.ts";

const REMEMBERED_MAX = 1_000;

/** What this worker has learned of images while it lives. An image itself never changes. */
export interface ImageMemory {
  /** The image that a build under this name will probably have: the same as the last two times. */
  expected(name: string): Image | undefined;
  remember(name: string, image: Image): void;
  hasRpmbuild(image: Image, look: () => Promise<boolean>): Promise<boolean>;
  /** How long it took to make it, when this worker did. */
  makingMs(image: Image): number | undefined;
  rememberMaking(image: Image, ms: number): void;
}

export function imageMemory(): ImageMemory {
  const last = new Map<string, { readonly image: Image; readonly isSteady: boolean }>();
  const rpmbuild = new Map<string, boolean>();
  const making = new Map<string, number>();
  return {
    expected: (name) => {
      const known = last.get(name);
      return known?.isSteady ? known.image : undefined;
    },
    remember: (name, image) => {
      const isSteady = last.get(name)?.image.id === image.id;
      setBounded(last, name, { image, isSteady });
    },
    hasRpmbuild: async (image, look) => {
      const known = rpmbuild.get(image.id);
      if (known !== undefined) return known;
      const found = await look();
      setBounded(rpmbuild, image.id, found);
      return found;
    },
    makingMs: (image) => making.get(image.id),
    rememberMaking: (image, ms) => setBounded(making, image.id, ms),
  };
}

function setBounded<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= REMEMBERED_MAX) map.clear();
  map.set(key, value);
}
