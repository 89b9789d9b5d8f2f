import { render, screen, waitFor, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { describe, expect, test } from "vitest";
import App from "../src/App.svelte";
import { fakeAgent, Refusal, STATUS, verbatim } from "./fake-agent";

const user = userEvent.setup();
const asked = (calls: { name: string }[], name: string) => calls.filter((call) => call.name === name);

describe("the status page", () => {
  test("says for each target in words whether it is in force", async () => {
    fakeAgent();
    render(App);
    const daemon = (await screen.findByText("Docker daemon")).closest("[data-target]") as HTMLElement;
    expect(within(daemon).getByText("In force")).toBeTruthy();
    const command = screen.getByText("Docker command line").closest("[data-target]") as HTMLElement;
    expect(within(command).getByText("Not in force")).toBeTruthy();
    expect(within(command).getByText("edited by hand")).toBeTruthy();
  });

  test("draws a whole line only from the source that is followed", async () => {
    fakeAgent();
    render(App);
    await screen.findByText("Followed");
    const whole = [...document.querySelectorAll("[data-from=carries]")].map((box) => box.getAttribute("data-source"));
    expect(whole).toEqual(["environment"]);
  });

  test("browsers that are not there share one box, and one that says something has its own", async () => {
    const absent = { chosen: false, says: verbatim("nothing"), origin: verbatim("not installed"), error: "" };
    const sources = [
      ...STATUS.sources,
      { id: "chrome" as const, ...absent },
      { id: "edge" as const, ...absent },
      { id: "brave" as const, ...absent, says: verbatim("http://b:1") },
      { id: "chromium" as const, ...absent },
    ];
    fakeAgent({ status: { ...STATUS, sources } });
    render(App);
    expect(await screen.findByRole("heading", { name: "Chrome, Edge" })).toBeTruthy();
    for (const name of ["Brave", "Chromium"]) expect(screen.getByRole("heading", { name })).toBeTruthy();
  });

  test("follows what the agent says later", async () => {
    const { tell } = fakeAgent();
    render(App);
    await screen.findByText("In order");
    await tell({ ...STATUS, on: false, health: "off", mode: "off" });
    expect(await screen.findByText("Switched off")).toBeTruthy();
    await waitFor(() => expect(document.querySelector("[data-from=carries]")).toBeNull());
  });

  test("without an agent says why and offers nothing to press", async () => {
    const gone = { code: "agent_ended", message: "the agent has ended", args: {} };
    fakeAgent({ status: { ...STATUS, connected: false, notices: [gone] } });
    render(App);
    expect(await screen.findByText(/agent has ended/)).toBeTruthy();
    expect(document.querySelector("#plan")).toBeNull();
    expect((screen.getByRole("switch") as HTMLButtonElement).disabled).toBe(true);
  });

  test("the switch asks for the opposite, at once", async () => {
    const { calls } = fakeAgent();
    render(App);
    await screen.findByText("In order");
    await user.click(screen.getByRole("switch"));
    expect(asked(calls, "switch")).toEqual([{ name: "switch", args: { on: false, offFor: null } }]);
  });

  test("a proxy that asks for a password is a field away, and any character reaches the keychain", async () => {
    const logins = [{ authority: "proxy.corp.example:3128", user: "ada", refused: true }];
    const { calls } = fakeAgent({ status: { ...STATUS, logins } });
    render(App);
    const field = (await screen.findByLabelText("Password")) as HTMLInputElement;
    expect(field.type).toBe("password");
    expect(screen.getByText(/refused the password/)).toBeTruthy();
    await user.type(field, "a#b:c%40 ü");
    await user.click(screen.getByText("Log in"));
    const args = { authority: "proxy.corp.example:3128", user: "ada", password: "a#b:c%40 ü" };
    expect(asked(calls, "log_in")).toEqual([{ name: "log_in", args }]);
    expect(field.value).toBe("");
  });

  test("apply sends the plan that was shown, and only after the diff", async () => {
    const step = { target: "docker-cli", what: verbatim("Set proxies.default"), undo: verbatim("put it back"), restarts: verbatim("") };
    const plan = { id: "p7", steps: [step], refused: [], notes: [], diff: "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n", needs_root: false };
    const { calls } = fakeAgent({ plan, apply: { done: [step], refused: [], targets: STATUS.targets } });
    render(App);
    await user.click(await screen.findByText("Review and apply…"));
    expect((await screen.findByText("+new")).className).toContain("added");
    expect(asked(calls, "apply")).toEqual([]);
    await user.click(screen.getByText("Apply"));
    expect(await screen.findByText(/Applied 1 steps/)).toBeTruthy();
    expect(asked(calls, "apply")).toEqual([{ name: "apply", args: { plan: "p7" } }]);
  });

  test("a target that cannot be changed is said beside what can be, before and after", async () => {
    const step = { target: "docker-cli", what: verbatim("Set proxies.default"), undo: verbatim("put it back"), restarts: verbatim("") };
    const refused = [{ code: "file_malformed", message: "/etc/docker/daemon.json:2:8: oops", args: {} }];
    const plan = { id: "p8", steps: [step], refused, notes: [], diff: "", needs_root: false };
    fakeAgent({ plan, apply: { done: [step], refused, targets: STATUS.targets } });
    render(App);
    await user.click(await screen.findByText("Review and apply…"));
    expect(await screen.findByText(/daemon.json:2:8/)).toBeTruthy();
    await user.click(screen.getByText("Apply"));
    expect(await screen.findByText(/Applied 1 steps/)).toBeTruthy();
    expect(screen.getByText(/daemon.json:2:8/)).toBeTruthy();
  });

  test("one target alone is given back when it is chosen", async () => {
    const { calls } = fakeAgent({ undo: { restored: ["/home/ada/.docker/config.json"], removed: [], merged: [], restarted: [], not_running: [] } });
    render(App);
    await user.click(await screen.findByText("Undo everything…"));
    await user.selectOptions(screen.getByLabelText("What is given back"), "docker-cli");
    await user.click(screen.getByText("Give back"));
    await screen.findByText("Restored: /home/ada/.docker/config.json");
    expect(asked(calls, "undo")).toEqual([{ name: "undo", args: { target: "docker-cli" } }]);
  });

  test("pauses for half an hour, and says until when", async () => {
    const { calls, tell } = fakeAgent();
    render(App);
    await user.click(await screen.findByText("Direct for 30 min"));
    expect(asked(calls, "switch")).toEqual([{ name: "switch", args: { on: false, offFor: 1800 } }]);
    const until = new Date(2026, 10, 26, 19, 32).getTime() / 1000;
    await tell({ ...STATUS, on: false, health: "off", mode: "off", off_until: until });
    expect(await screen.findByText(/Off until .*32/)).toBeTruthy();
    expect(screen.queryByText("Direct for 30 min")).toBeNull();
  });

  test("a profile is chosen, or left to the network", async () => {
    const { calls, tell } = fakeAgent();
    render(App);
    await screen.findByText("In order");
    expect(screen.queryByLabelText("Profile")).toBeNull();
    await tell({ ...STATUS, profiles: ["home", "office"], profile: "office" });
    const select = await screen.findByLabelText<HTMLSelectElement>("Profile");
    expect(select.value).toBe("auto");
    expect(screen.getByText("Profile by network: office")).toBeTruthy();
    await user.selectOptions(select, "home");
    expect(asked(calls, "choose_profile")).toEqual([{ name: "choose_profile", args: { name: "home" } }]);
    await tell({ ...STATUS, profiles: ["home", "office"], profile: "home", profile_by_hand: true });
    await screen.findByText("Profile by network: none");
    expect(select.value).toBe("home");
  });

  test("a refused undo is said in the dialog", async () => {
    const refused = new Refusal({ code: "not_in_the_catalogue", message: "another user is attached: ada", args: {} });
    fakeAgent({ undo: refused });
    render(App);
    await user.click(await screen.findByText("Undo everything…"));
    await user.click(screen.getByText("Give back"));
    expect(await screen.findByText("another user is attached: ada")).toBeTruthy();
  });

  test("speaks Japanese when asked to, and tells the tray", async () => {
    const { calls } = fakeAgent();
    render(App);
    await screen.findByText("In order");
    await user.selectOptions(screen.getByRole("combobox"), "ja");
    expect(await screen.findByText("正常")).toBeTruthy();
    expect(screen.getAllByText("なし").length).toBe(2);
    expect(document.documentElement.lang).toBe("ja");
    expect(asked(calls, "speak").at(-1)).toEqual({ name: "speak", args: { language: "ja" } });
  });
});

describe("the settings page", () => {
  async function open(answers = {}) {
    const agent = fakeAgent(answers);
    render(App);
    await user.click(await screen.findByText("Settings"));
    await screen.findByText("Where the proxy comes from");
    return agent;
  }

  test("shows only the fields of the chosen mode", async () => {
    fakeAgent({ status: { ...STATUS, mode: "manual" } });
    render(App);
    await screen.findByText("In order");
    await user.click(screen.getByText("Settings"));
    expect(await screen.findByLabelText("Proxy")).toHaveProperty("value", "http://proxy.corp.example:3128");
    expect(screen.getByLabelText("User")).toHaveProperty("value", "ada");
    expect(screen.getByLabelText("Password")).toHaveProperty("value", "");
    await user.click(screen.getByText("PAC file"));
    expect(screen.queryByLabelText("Proxy")).toBeNull();
    expect(screen.getByLabelText("Address of the PAC file")).toBeTruthy();
  });

  test("saves all fields together", async () => {
    const { calls } = await open();
    await user.click(screen.getByText("Off"));
    await user.click(screen.getByText("Save"));
    await screen.findByText("Saved. New connections follow.");
    expect(asked(calls, "save_settings")).toEqual([
      {
        name: "save_settings",
        args: { edit: { mode: "off", style: "relay", upstream: "http://ada@proxy.corp.example:3128", fallbacks: ["socks5h://two.corp.example:1080"],
            upstream_ca: "/etc/corp/ca.pem",
            tickets: ["proxy.corp.example:3128"],
            rules: ["a.example,b.example=direct"],
            pac: "",
            pac_text: "", pac_unavailable: "block", bypass: [".corp.example"],
            leave_alone: ["clusters"], live_restore: true, restart_swarm: false, recreate_builders: false } },
      },
    ]);
  });

  test("shows what the administrator has fixed, and why", async () => {
    const managed = { managed_file: "/etc/gangway/managed.toml", managed_keys: ["mode", "bypass"], managed_reason: "policy 7" };
    const { SETTINGS } = await import("./fake-agent");
    await open({ settings: { ...SETTINGS, ...managed } });
    expect(await screen.findByText("policy 7")).toBeTruthy();
    expect(screen.getByLabelText("Never through the proxy")).toHaveProperty("disabled", true);
    expect(screen.getByRole("group", { name: "Where the proxy comes from" })).toHaveProperty("disabled", true);
    expect(screen.getByLabelText("Proxy")).toHaveProperty("disabled", false);
  });

  test("puts a refusal beside the field that it is about", async () => {
    const refusal = new Refusal({ code: "setting_refused", message: "…", args: { field: "bypass", reason: "10.0.0.0/99 is no network" } });
    await open({ save_settings: refusal });
    await user.click(screen.getByText("Save"));
    const problem = await screen.findByText(/10\.0\.0\.0\/99 is no network/);
    expect(problem.closest("#bypass-hint")).not.toBeNull();
    expect(screen.getByLabelText("Never through the proxy").getAttribute("aria-invalid")).toBe("true");
  });
});
