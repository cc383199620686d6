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

/**
 * The JSON of an answer, null where there is none; `progress` is told what share of a body was
 * sent. What a user does has a key of its own, so that it is done once even if they try again
 * after an answer was lost. Throws Problem.
 */
export async function ask(method, path, { body, query, progress } = {}) {
  const search = new URLSearchParams(query ?? {}).toString();
  const headers = method === "GET" ? {} : { "X-CSRF-Token": csrf() };
  const what = changes(method, path) ? signature(method, path, body) : null;
  const key = unanswered.get(what) ?? fresh();
  if (what) {
    headers["Idempotency-Key"] = key;
    unanswered.delete(what);
  }
  const lost = () => what && unanswered.set(what, key);
  const { status, text } =
    await send(method, search ? `${path}?${search}` : path, body, headers, progress).catch((problem) => {
      lost();
      throw problem;
    });
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    lost();
    throw new Problem({ code: "internal" });
  }
  if (status >= 500 || answer?.code === "in_progress") lost();
  if (status === 401 && !location.pathname.startsWith("/login")) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  }
  if (status >= 400) throw new Problem(answer ?? { code: "internal" });
  return answer;
}

/** Sends a request; only the older of a browser's two ways says how much has been sent. */
function send(method, address, body, headers, progress = () => {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, address);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(loaded / total));
    request.addEventListener("load", () => resolve({ status: request.status, text: request.responseText }));
    request.addEventListener("error", () => reject(new Problem({ code: "unreachable" })));
    request.send(body);
  });
}

const LOOKS = ["/v1/identify", "/v1/verify", "/v1/people/check", "/v1/session"];
const changes = (method, path) => method !== "GET" && !LOOKS.includes(path);

const unanswered = new Map(); // the keys of what may have been carried out, by what it was

/** What tells one request from another. */
function signature(method, path, body) {
  const parts = [...(body ?? [])].map(([name, value]) =>
    [name, value instanceof Blob ? [value.name, value.size, value.lastModified] : value]);
  return JSON.stringify([method, path, parts]);
}

/** 32 random digits; crypto.randomUUID is there over https only. */
const fresh = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((n) => n.toString(16).padStart(2, "0")).join("");

export const may = (role) => {
  const order = ["public", "viewer", "enroller", "admin"];
  return order.indexOf(document.body.dataset.role) >= order.indexOf(role);
};
