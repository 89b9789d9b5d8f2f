import { describe, expect, test } from "vitest";
import { editOf, fieldOf, formOf } from "../src/pages/settings";
import { SETTINGS } from "./fake-agent";

const page = { ...SETTINGS, mode: "manual", style: "relay", pac_unavailable: "block" } as const;

describe("between the agent's settings and the fields", () => {
  test("a page that nobody touched is saved as it was", () => {
    const edit = editOf(formOf({ ...page, bypass: [...page.bypass] }));
    const { file: _file, password_stored: _stored, managed_file: _by, managed_keys: _keys, managed_reason: _why, ...fields } = page;
    expect(edit).toEqual({ ...fields, pac_text: "" });
  });

  test("rules stand one a line and may hold commas, upstreams in their order", () => {
    const form = { ...formOf({ ...page, bypass: [] }), rules: "a,b=direct\n\n c=http://d:1 ", fallbacks: "http://b:2\n http://a:1\n" };
    expect(editOf(form).rules).toEqual(["a,b=direct", "c=http://d:1"]);
    expect(editOf(form).fallbacks).toEqual(["http://b:2", "http://a:1"]);
  });

  test("a problem stands beside its own field, not beside one whose name it holds", () => {
    for (const field of ["upstream_ca", "upstream", "tickets", "rules", "pac", "bypass"])
      expect(fieldOf({ code: "setting_refused", message: "", args: { field } })).toBe(field);
  });

  test("a password travels encoded, whatever stands in it", () => {
    const form = { ...formOf({ ...page, bypass: [] }), user: "corp\\ada", password: "p@ss:w/ör d" };
    const url = new URL(editOf(form).upstream);
    expect(decodeURIComponent(url.username)).toBe("corp\\ada");
    expect(decodeURIComponent(url.password)).toBe("p@ss:w/ör d");
    expect(url.host).toBe("proxy.corp.example:3128");
  });

  test("bypass entries stand one a line, or with commas", () => {
    const form = { ...formOf({ ...page, bypass: [] }), bypass: ".a.example, 10.0.0.0/8\n\n host " };
    expect(editOf(form).bypass).toEqual([".a.example", "10.0.0.0/8", "host"]);
  });

  test("a problem that names no field stands above the page", () => {
    expect(fieldOf({ code: "settings_unwritable", message: "", args: { file: "x" } })).toBeUndefined();
  });
});
