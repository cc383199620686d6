// Asking the server.
import { has, t } from "./texts.js";

/** What the server would not do, or could not, in the reader's language. */
export class Problem extends Error {
  constructor(body) {
    super(has(`problem.${body.code}`) ? t(`problem.${body.code}`) : body.problem);
    Object.assign(this, { code: body.code, field: body.field });
    this.remedy = has(`remedy.${body.code}`) ? t(`remedy.${body.code}`) : "";
  }
}

const csrf = () => document.querySelector('meta[name="csrf"]').content;

/** A FormData of names and values; a list is sent as several of a name. */
export function form(values) {
  const data = new FormData();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one instanceof Blob) data.append(name, one, one.name ?? "photo.jpg");
      else if (one !== undefined && one !== null && one !== "") data.append(name, one);
    }
  }
  return data;
}

/** The JSON of an answer, null where there is none. Throws Problem. */
export async function ask(method, path, { body, query, signal } = {}) {
  const search = new URLSearchParams(query ?? {}).toString();
  const headers = method === "GET" ? {} : { "X-CSRF-Token": csrf() };
  let response;
  try {
    response = await fetch(search ? `${path}?${search}` : path, { method, body, headers, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ code: "unreachable" });
  }
  if (response.status === 401 && !location.pathname.startsWith("/login")) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    throw new Problem({ code: "internal" });
  }
  if (!response.ok) throw new Problem(answer ?? { code: "internal" });
  return answer;
}

export const may = (role) => {
  const order = ["public", "viewer", "enroller", "admin"];
  return order.indexOf(document.body.dataset.role) >= order.indexOf(role);
};
