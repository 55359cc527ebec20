import { json, Router, type NextFunction, type Request, type Response } from "express";
import { z } from "zod";
import { isRepoName, isSha } from "../../domain/push.ts";
import { DESCRIPTION_MAX } from "../../domain/commit-status.ts";
import type { StatusRow } from "../store/schema.ts";
import { addStatus, statusesOf } from "../store/statuses.ts";
import type { Store } from "../store/store.ts";

const wanted = z.object({
  state: z.enum(["pending", "success", "failure", "error"]),
  target_url: z.url().nullish(),
  description: z.string().max(DESCRIPTION_MAX).nullish(),
  context: z.string().min(1).max(255).default("default"),
});

export interface StatusRoutesDeps {
  readonly store: Store;
  /** Lets in whoever may read. */
  readonly readers: (request: Request, response: Response, next: NextFunction) => void;
  /** Lets in the report worker alone. */
  readonly reporters: (request: Request, response: Response, next: NextFunction) => void;
}

function commitOf({ params }: Request): Record<"owner" | "name" | "sha", string> {
  const text = (name: string): string => String(params[name]);
  return { owner: text("owner"), name: text("name"), sha: text("sha") };
}

/** The own remote's commit statuses, in GitHub's shape, posted like any other forge's. */
export function statusRoutes({ store, readers, reporters }: StatusRoutesDeps): Router {
  const router = Router();
  const path = "/api/repos/:owner/:name/statuses/:sha";

  router.get(path, readers, async (request, response) => {
    const { owner, name, sha } = commitOf(request);
    const rows = await statusesOf(store, `${owner}/${name}`, sha);
    response.json(rows.map(inGithubShape));
  });

  router.post(path, reporters, json(), async (request, response) => {
    const { owner, name, sha } = commitOf(request);
    const repo = `${owner}/${name}`;
    if (!isRepoName(repo) || !isSha(sha)) {
      return void response.status(404).json({ message: "Not Found" });
    }
    const parsed = wanted.safeParse(request.body);
    if (!parsed.success) {
      return void response.status(422).json({ message: z.prettifyError(parsed.error) });
    }
    const { state, context, description, target_url: targetUrl } = parsed.data;
    const status = { repo, sha, state, context };
    const row = await store.write((tx) =>
      addStatus(tx, { ...status, description: description ?? "", targetUrl: targetUrl ?? "" }),
    );
    if (row === undefined) {
      const message = "This SHA and context has reached the maximum number of statuses.";
      return void response.status(422).json({ message });
    }
    response.status(201).json(inGithubShape(row));
  });
  return router;
}

function inGithubShape({ id, state, description, targetUrl, context, createdAt }: StatusRow) {
  const at = new Date(createdAt).toISOString();
  return {
    id,
    state,
    description,
    target_url: targetUrl,
    context,
    created_at: at,
    updated_at: at,
  };
}
