// An agent behind Tauri's own mock of its inter-process calls.
import { emit } from "@tauri-apps/api/event";
import { mockIPC } from "@tauri-apps/api/mocks";
import type { Problem, Said, SettingsEdit, StatusPage } from "../src/bindings";

export const verbatim = (english: string): Said => ({ key: "", args: {}, english });
const NOTHING: Said = { key: "said_nothing", args: {}, english: "nothing" };

export const STATUS: StatusPage = {
  connected: true,
  version: "0.1.0",
  on: true,
  off_until: 0,
  profiles: [],
  profile: "",
  profile_by_hand: false,
  health: "on",
  mode: "system",
  style: "relay",
  sources: [
    { id: "system", chosen: false, origin: verbatim("org.gnome.system.proxy"), says: NOTHING, error: "" },
    { id: "environment", chosen: true, origin: verbatim("https_proxy"), says: verbatim("http://proxy.corp.example:3128"), error: "" },
  ],
  policy: { kind: "upstreams", upstreams: ["http://proxy.corp.example:3128"], bypass: [], cause: verbatim("https_proxy") },
  engine: {
    runs: "service",
    listening: ["127.0.0.1:3182"],
    intercepts: NOTHING,
    problems: [],
    upstreams: [{ upstream: "http://proxy.corp.example:3128", credentials: "missing", problems: [] }],
    connections: 3,
  },
  targets: [
    { id: "docker-daemon", title: "Docker daemon", version: "26.1.5", files: [], desired: "", state: "in_force", detail: verbatim("HttpProxy = http://127.0.0.1:3182") },
    { id: "docker-cli", title: "Docker command line", version: "", files: [], desired: "", state: "not_in_force", detail: verbatim("edited by hand") },
  ],
  notices: [],
  logins: [],
};

export type Call = { name: string; args: Record<string, unknown> };

/** Answers the pages; `calls` holds what they asked, and `tell` makes the status change. */
export function fakeAgent(answers: Record<string, unknown> = {}): { calls: Call[]; tell: (page: StatusPage) => Promise<void> } {
  const calls: Call[] = [];
  mockIPC((name, payload) => {
    const args = (payload ?? {}) as Record<string, unknown>;
    calls.push({ name, args });
    if (name in answers) {
      const answer = answers[name];
      if (answer instanceof Refusal) throw answer.problem;
      return answer;
    }
    if (name === "status") return STATUS;
    if (name === "settings") return SETTINGS;
    if (name === "save_settings") return { ...SETTINGS, ...(args["edit"] as SettingsEdit) };
    return null;
  }, { shouldMockEvents: true });
  return { calls, tell: (page) => emit("status-changed", page) };
}

export const SETTINGS = {
  file: "/home/ada/.config/gangway/settings.toml",
  mode: "manual",
  style: "relay",
  upstream: "http://ada@proxy.corp.example:3128",
  fallbacks: ["socks5h://two.corp.example:1080"],
  upstream_ca: "/etc/corp/ca.pem",
  tickets: ["proxy.corp.example:3128"],
  rules: ["a.example,b.example=direct"],
  pac: "",
  pac_unavailable: "block",
  bypass: [".corp.example"],
  leave_alone: ["clusters"],
  live_restore: true,
  restart_swarm: false,
  recreate_builders: false,
  managed_file: "",
  managed_keys: [] as string[],
  managed_reason: "",
  password_stored: true,
};

/** An answer that is an error. */
export class Refusal {
  constructor(readonly problem: Problem) {}
}
