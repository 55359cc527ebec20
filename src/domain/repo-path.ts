/**
 * A path as git writes it, from the root of the repo: `./a//b/../c` is `a/c`. Undefined when it
 * leaves the repo, starts with "/" or names no file at all.
 */
export function pathInRepo(text: string): string | undefined {
  if (text.startsWith("/")) return undefined;
  const parts: string[] = [];
  for (const part of text.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.length === 0 ? undefined : parts.join("/");
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
