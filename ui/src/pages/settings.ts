// Between the settings as the agent knows them and the fields of the page.
import type { Mode, PacUnavailable, Problem, SettingsEdit, SettingsPage, Style } from "../bindings";

export type Form = {
  file: string;
  mode: Mode;
  style: Style;
  upstream: string;
  user: string;
  password: string;
  passwordStored: boolean;
  pac: string;
  pacUnavailable: PacUnavailable;
  bypass: string;
};

const USER = /^(\w+:\/\/)?([^@/]*)@(.*)$/;

/** The page's fields: the user stands apart from the proxy, and a password never comes back. */
export function formOf(page: SettingsPage): Form {
  const [, scheme = "", user = "", host = page.upstream] = USER.exec(page.upstream) ?? [];
  return {
    file: page.file,
    mode: page.mode,
    style: page.style,
    upstream: scheme + host,
    user: decoded(user),
    password: "",
    passwordStored: page.password_stored,
    pac: page.pac,
    pacUnavailable: page.pac_unavailable,
    bypass: page.bypass.join("\n"),
  };
}

/** What the agent is told: user and password travel inside of the URL, percent-encoded. */
export function editOf(form: Form): SettingsEdit {
  return {
    mode: form.mode,
    style: form.style,
    upstream: withUser(form.upstream.trim(), form.user, form.password),
    pac: form.pac,
    pac_unavailable: form.pacUnavailable,
    bypass: form.bypass.split(/[\n,]/).map((entry) => entry.trim()).filter((entry) => entry !== ""),
  };
}

/** Which field a problem is about, so that it stands beside it. */
export function fieldOf(problem: Problem): "upstream" | "pac" | "bypass" | undefined {
  const named = problem.args["field"] ?? problem.code;
  return (["upstream", "pac", "bypass"] as const).find((field) => named.includes(field));
}

function withUser(upstream: string, user: string, password: string): string {
  if (user === "" || upstream === "") return upstream;
  const [scheme, host] = upstream.includes("://") ? (upstream.split("://", 2) as [string, string]) : ["http", upstream];
  const secret = password === "" ? "" : `:${encodeURIComponent(password)}`;
  return `${scheme}://${encodeURIComponent(user)}${secret}@${host}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
