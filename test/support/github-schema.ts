import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** GitHub's published operations on commit statuses, webhook deliveries and pull requests; see test/fixtures/github/README.md. */
const DOCUMENT = join(import.meta.dirname, "../fixtures/github/openapi.json");

const DELIVERIES = "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries";

interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly schema: object;
}

/** One operation as GitHub describes it. */
export interface Operation {
  /** Path parameters by name, or undefined if this is another path. */
  match(method: string, path: string): Readonly<Record<string, string>> | undefined;
  /** All that the request breaks, in words. */
  problemsOf(request: CheckedRequest): readonly string[];
  /** What our own answer breaks: a double that lies proves nothing. */
  problemsOfAnswer(status: number, body: unknown): readonly string[];
}

export interface CheckedRequest {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown;
}

export interface GithubSchema {
  readonly createStatus: Operation;
  readonly listStatuses: Operation;
  readonly listHooks: Operation;
  readonly listHookDeliveries: Operation;
  readonly redeliver: Operation;
  readonly listPulls: Operation;
}

export function readGithubSchema(): GithubSchema {
  const document = JSON.parse(readFileSync(DOCUMENT, "utf8")) as OpenApi;
  // OpenAPI 3.0 has words and formats of its own, so not strict about those that ajv does not know.
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addFormat("int64", { type: "number", validate: Number.isInteger });
  ajv.addSchema(document, "github");
  return {
    createStatus: operation(ajv, document, "post", "/repos/{owner}/{repo}/statuses/{sha}"),
    listStatuses: operation(ajv, document, "get", "/repos/{owner}/{repo}/commits/{ref}/statuses"),
    listHooks: operation(ajv, document, "get", "/repos/{owner}/{repo}/hooks"),
    listHookDeliveries: operation(ajv, document, "get", DELIVERIES),
    redeliver: operation(ajv, document, "post", `${DELIVERIES}/{delivery_id}/attempts`),
    listPulls: operation(ajv, document, "get", "/repos/{owner}/{repo}/pulls"),
  };
}

interface OpenApi {
  readonly paths: Record<string, Record<string, OpenApiOperation>>;
  readonly components: { readonly parameters: Record<string, Parameter> };
}

interface OpenApiOperation {
  readonly parameters: readonly (Parameter | { readonly $ref: string })[];
  readonly requestBody?: unknown;
  readonly responses: Record<string, { readonly content?: unknown }>;
}

function operation(ajv: Ajv2020, document: OpenApi, method: string, path: string): Operation {
  const found = document.paths[path]?.[method];
  if (found === undefined) throw new Error(`The schema has no ${method} ${path}.`);
  const parameters = found.parameters.map((parameter) => resolved(document, parameter));
  const base = ["paths", path, method];
  const compile = (...more: readonly string[]): ValidateFunction =>
    ajv.compile({ $ref: pointer([...base, ...more, "content", "application/json", "schema"]) });
  const checkBody = found.requestBody === undefined ? undefined : compile("requestBody");
  // Answers that all operations share stand elsewhere, and say nothing that could be checked here.
  const answered = Object.entries(found.responses).filter(([, { content }]) => content);
  const checkAnswer = new Map(
    answered.map(([status]) => [Number(status), compile("responses", status)]),
  );
  const shape = new RegExp(`^${path.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`);

  return {
    match: (asked, text) => {
      if (asked.toLowerCase() !== method) return undefined;
      const groups = shape.exec(text)?.groups;
      if (groups === undefined) return undefined;
      const entries = Object.entries(groups);
      return Object.fromEntries(entries.map(([key, value]) => [key, decodeURIComponent(value)]));
    },
    problemsOf: (request) => [
      ...parameters.flatMap((parameter) => parameterProblems(ajv, parameter, request)),
      ...(checkBody === undefined ? [] : bodyProblems(checkBody, request)),
    ],
    problemsOfAnswer: (status, body) => {
      const check = checkAnswer.get(status);
      return check === undefined || check(body) ? [] : [ajv.errorsText(check.errors)];
    },
  };
}

function resolved(document: OpenApi, parameter: Parameter | { readonly $ref: string }): Parameter {
  if (!("$ref" in parameter)) return parameter;
  const found = document.components.parameters[parameter.$ref.split("/").at(-1) ?? ""];
  if (found === undefined) throw new Error(`${parameter.$ref} leads nowhere.`);
  return found;
}

/** JSON pointer inside a URI fragment. */
function pointer(keys: readonly string[]): string {
  const escaped = keys.map((key) => key.replaceAll("~", "~0").replaceAll("/", "~1"));
  return `github#/${escaped.map(encodeURIComponent).join("/")}`;
}

function parameterProblems(
  ajv: Ajv2020,
  { name, in: place, required, schema }: Parameter,
  request: CheckedRequest,
): readonly string[] {
  const values = { path: request.path, query: request.query, header: request.headers }[place];
  const value = values[name];
  if (value === undefined)
    return required === true ? [`${place} parameter ${name} is missing`] : [];
  const isNumber = "type" in schema && schema.type === "integer" && /^\d+$/.test(value);
  if (ajv.validate(schema, isNumber ? Number(value) : value)) return [];
  return [`${place} parameter ${name}: ${ajv.errorsText()}`];
}

function bodyProblems(check: ValidateFunction, request: CheckedRequest): readonly string[] {
  const isJson = /^application\/json\b/.test(request.headers["content-type"] ?? "");
  const type = isJson ? [] : ["the content type is not application/json"];
  if (check(request.body)) return type;
  const errors = check.errors ?? [];
  return [...type, ...errors.map(({ instancePath, message }) => `body${instancePath} ${message}`)];
}
