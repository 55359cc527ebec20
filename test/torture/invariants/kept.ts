import { createHash } from "node:crypto";
import { z } from "zod";
import type { Tatara } from "../../support/start-tatara.ts";
import type { Records } from "../records.ts";
import { shapeOf } from "../sample-push.ts";
import { nameOf } from "./pushes.ts";
import type { Violation } from "./violation.ts";

const keptList = z.object({
  files: z.array(
    z.object({ path: z.string(), step: z.string(), sha256: z.string(), url: z.url() }),
  ),
});

/** What a passed build's steps keep can be downloaded, each file once, with the bytes it had. */
export async function checkKept(records: Records, tatara: Tatara): Promise<readonly Violation[]> {
  const violations: Violation[] = [];
  for (const build of records.all("builds").filter(({ state }) => state === "passed")) {
    const { files } = keptList.parse(await tatara.api(`/api/builds/${build.id}/kept`));
    const wanted = shapeOf(build.repo).kept;
    const figure = files.length < wanted ? "lost" : "duplicated";
    if (files.length !== wanted) {
      const what = `${nameOf(build)} keeps ${files.length} files, not ${wanted}`;
      violations.push({ figure, what });
    }
    for (const { path, step, sha256, url } of files) {
      const response = await tatara.fetch(new URL(url).pathname);
      const bytes = Buffer.from(await response.arrayBuffer());
      if (createHash("sha256").update(bytes).digest("hex") === sha256) continue;
      const what = `${path} of ${nameOf(build)} ${step} is answered ${response.status}, other bytes`;
      violations.push({ figure: "broken", what });
    }
  }
  return violations;
}
