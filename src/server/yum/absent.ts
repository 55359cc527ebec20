/** For `catch`: undefined when there is no such file; any other error stays one. */
export function absent(err: unknown): undefined {
  const { code } = err as { code?: unknown };
  if (code === "ENOENT" || code === "ENOTDIR") return undefined;
  throw err;
}
