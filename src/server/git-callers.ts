import type { Request } from "express";
import { isSameSecret } from "./auth.ts";
import { isCloneToken } from "./credentials.ts";
import type { GitCaller } from "./git-hook.ts";
import type { Store } from "./store/store.ts";

/** Who may use the own remote, by HTTP Basic: the admin pushes, a job's clone credential reads. */
export function gitCallers({
  store,
  adminToken,
}: {
  readonly store: Store;
  readonly adminToken: string;
}) {
  return async (request: Request, repo: string): Promise<GitCaller | undefined> => {
    const encoded = /^Basic (.+)$/i.exec(request.get("authorization") ?? "")?.[1];
    if (encoded === undefined) return undefined;
    const [user = "", ...rest] = Buffer.from(encoded, "base64").toString().split(":");
    const password = rest.join(":");
    if (isSameSecret(password, adminToken)) {
      return { name: user === "" ? "admin" : user, mayPush: true };
    }
    const mayRead = await isCloneToken(store, password, repo);
    return mayRead ? { name: `reader of ${repo}`, mayPush: false } : undefined;
  };
}
