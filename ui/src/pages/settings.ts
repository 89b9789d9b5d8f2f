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
  fallbacks: string;
  upstreamCa: string;
  tickets: string;
  rules: string;
  pac: string;
  pacText: string;
  pacUnavailable: PacUnavailable;
  bypass: string;
  leaveAlone: string;
  liveRestore: boolean;
  restartSwarm: boolean;
  recreateBuilders: boolean;
  managed: { file: string; keys: string[]; reason: string };
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
    fallbacks: page.fallbacks.join("\n"),
    upstreamCa: page.upstream_ca,
    tickets: page.tickets.join(", "),
    rules: page.rules.join("\n"),
    pac: page.pac,
    pacText: "",
    pacUnavailable: page.pac_unavailable,
    bypass: page.bypass.join("\n"),
    leaveAlone: page.leave_alone.join(", "),
    liveRestore: page.live_restore,
    restartSwarm: page.restart_swarm,
    recreateBuilders: page.recreate_builders,
    managed: { file: page.managed_file, keys: page.managed_keys, reason: page.managed_reason },
  };
}

/** What the agent is told: user and password travel inside of the URL, percent-encoded. */
export function editOf(form: Form): SettingsEdit {
  return {
    mode: form.mode,
    style: form.style,
    upstream: withUser(form.upstream.trim(), form.user, form.password),
    fallbacks: lines(form.fallbacks),
    upstream_ca: form.upstreamCa.trim(),
    tickets: entries(form.tickets),
    rules: lines(form.rules),
    pac: form.pac,
    pac_text: form.pacText,
    pac_unavailable: form.pacUnavailable,
    bypass: entries(form.bypass),
    leave_alone: entries(form.leaveAlone),
    live_restore: form.liveRestore,
    restart_swarm: form.restartSwarm,
    recreate_builders: form.recreateBuilders,
  };
}

const FIELDS = ["upstream_ca", "upstream", "tickets", "rules", "pac", "bypass"] as const;

/** Which field a problem is about, so that it stands beside it. */
export function fieldOf(problem: Problem): (typeof FIELDS)[number] | undefined {
  const named = problem.args["field"] ?? problem.code;
  return FIELDS.find((field) => named.includes(field));
}

/** One a line; a rule may hold commas. */
function lines(text: string): string[] {
  return split(text, /\n/);
}

/** One a line, or with commas between them. */
function entries(text: string): string[] {
  return split(text, /[\n,]/);
}

function split(text: string, between: RegExp): string[] {
  return text.split(between).map((entry) => entry.trim()).filter((entry) => entry !== "");
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
