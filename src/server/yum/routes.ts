import { Router } from "express";
import { yumLayout } from "../../yum/layout.ts";
import type { Handler, YumDeps } from "./context.ts";
import { openGenerations } from "./generations.ts";
import { openPackageNames } from "./package-names.ts";
import { pairings } from "./pairings.ts";
import { sendKey, sendPackage } from "./send-files.ts";
import { sendCurrentMetadata, sendMetadata, sendMirrorlist } from "./send-metadata.ts";
import { sendRepoFile } from "./send-repo-file.ts";
import { refuse } from "./send.ts";
import { openSmallFiles } from "./small-files.ts";

/** Everything that dnf fetches, for mounting at `/yum`. Read-only and open to all. */
export function yumRoutes(deps: YumDeps): Router {
  const layout = yumLayout(deps.yumDir);
  const generations = openGenerations(layout);
  const names = openPackageNames(layout, generations);
  const opened = { layout, generations, names, pairings: pairings(), small: openSmallFiles() };
  const context = { ...deps, ...opened };
  const router = Router({ caseSensitive: true });
  const get = (path: string, handle: Handler) =>
    router.get(path, (request, response) => handle(request, response, context));

  get("/keys/:file", sendKey);
  get("/:channel/:target/mirrorlist", sendMirrorlist);
  get("/:channel/:target/repodata/:file", sendCurrentMetadata);
  // As long as a generation is kept, these addresses answer the same bytes.
  get("/:channel/:target/g/:number/mirrorlist", sendMirrorlist);
  get("/:channel/:target/g/:number/repodata/:file", sendMetadata);
  // dnf reads the mirrorlist again before it fetches packages, so every generation has every package.
  get("/:channel/:target/g/:number/p/:sha256/:file", sendPackage);
  get("/:channel/:target/p/:sha256/:file", sendPackage);
  get("/:file", sendRepoFile);
  // zypper also tries `media.1/media`: asked for a password there, it would refresh no more.
  router.use((_request, response) => refuse(response, "There is no such file."));
  return router;
}
