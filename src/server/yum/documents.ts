import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DOCUMENTS } from "../../yum/layout.ts";
import type { YumLayout } from "../../yum/layout.ts";
import { documentParts } from "../../yum/served-view.ts";
import type { FilePart } from "../../yum/served-view.ts";
import { absent } from "./absent.ts";
import { IMMUTABLE, typeOf } from "./content.ts";
import type { Content } from "./content.ts";
import type { Repodata, Segmented } from "./generations.ts";

/**
 * A metadata file whose name begins with its digest: a document made of segments, an extra, or a
 * whole file of an old generation. Undefined when this metadata does not name it.
 */
export async function findDocument(
  file: string,
  { folder, segmented }: Repodata,
  layout: YumLayout,
): Promise<Content | undefined> {
  const parts =
    segmented === undefined
      ? await wholeFile(join(folder, file))
      : partsOf(file, segmented, layout);
  return parts && { parts, tag: file, type: typeOf(file), caching: IMMUTABLE };
}

async function wholeFile(path: string): Promise<readonly FilePart[] | undefined> {
  const found = await stat(path).catch(absent);
  return found?.isFile() ? [{ path, start: 0, bytes: found.size }] : undefined;
}

function partsOf(
  file: string,
  segmented: Segmented,
  layout: YumLayout,
): readonly FilePart[] | undefined {
  const { state, view } = segmented;
  const document = DOCUMENTS.find((each) => view.documents[each].fileName === file);
  if (document !== undefined) return documentParts(layout, segmented, document);
  const extra = state.extras.find(({ fileName }) => fileName === file);
  return extra && [{ path: layout.extra(extra.sha256), start: 0, bytes: extra.sizeBytes }];
}
