import type { PlannedImage } from "./job-spec.ts";
import type { PipelineImage } from "./pipeline.ts";
import type { PlannedStep } from "./step.ts";

/** Collects the images of one job: equal ones are one, and what must be built has a step. */
export interface ImageList {
  /** Gives the key that tests and packages call it by. `id` and `title` are of its step, if it gets one. */
  add(image: PipelineImage, name: { readonly id: () => string; readonly title: string }): string;
  /** The project's own: it has the step `image` whatever it is. */
  addOwn(image: PipelineImage): string;
  readonly images: readonly PlannedImage[];
  readonly steps: readonly PlannedStep[];
}

export const IMAGE_STEP = "image";

export function imageList(): ImageList {
  const images: PlannedImage[] = [];
  const steps: PlannedStep[] = [];
  const keys = new Map<string, string>();

  const insert = (image: PipelineImage, step: string | null, key: string): string => {
    images.push({ step, key, image });
    keys.set(JSON.stringify(image), key);
    return key;
  };
  const insertStep = (name: string, title: string): void => {
    steps.push({ name, title, kind: "image", skip: null });
  };
  return {
    images,
    steps,
    addOwn: (image) => {
      insertStep(IMAGE_STEP, IMAGE_STEP);
      return insert(image, IMAGE_STEP, IMAGE_STEP);
    },
    add: (image, { id, title }) => {
      const known = keys.get(JSON.stringify(image));
      if (known !== undefined) return known;
      if (image.kind !== "dockerfile") return insert(image, null, JSON.stringify(image));
      const step = id();
      insertStep(step, title);
      return insert(image, step, step);
    },
  };
}
