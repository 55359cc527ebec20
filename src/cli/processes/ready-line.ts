/** What a process says about itself on stdout, once it does its work. */
export interface Ready {
  /** Only the server's. */
  readonly url?: string;
  readonly loginUrl?: string;
  readonly adminTokenFile?: string;
}

/** `{"ready":true,…}` as one line of JSON; any other line is not about readiness. */
export function readyLine(line: string): Ready | undefined {
  if (!line.startsWith('{"ready":true')) return undefined;
  try {
    return pick(JSON.parse(line) as Readonly<Record<string, unknown>>);
  } catch {
    return undefined; // A line that was cut by the process's death.
  }
}

function pick(fields: Readonly<Record<string, unknown>>): Ready {
  const text = (name: "url" | "loginUrl" | "adminTokenFile") => {
    const value = fields[name];
    return typeof value === "string" ? { [name]: value } : {};
  };
  return { ...text("url"), ...text("loginUrl"), ...text("adminTokenFile") };
}
