// The door: greets whom it knows once a visit, and opens for a claimed name that is verified.
import { ask, form } from "./api.js";
import { open, shut, snapshot } from "./camera.js";
import { claim } from "./claim.js";
import { byId, make } from "./dom.js";
import { frames } from "./frames.js";
import { marker } from "./picture.js";
import { locale, number, t } from "./texts.js";

const AGREE = 3; // frames that have to say the same
const GONE = 15_000; // milliseconds unseen after which a visit is over
const OPEN = 6_000; // milliseconds for which the door stays open, and an answer is shown
const TRIES = 9; // frames for a claimed name
const STRANGER = "stranger";

const [stage, video] = [byId("stage"), byId("video")];
const visits = new Map(); // when each person was last seen
let camera = null;
let draw = null;
let held = 0; // until when what is shown stays
let claiming = false;
let proving = false; // whether a movement is waited for

const person = claim(byId("claimed"));

function show(state, text, more = "") {
  stage.dataset.state = state;
  if (byId("say").textContent !== text) byId("say").textContent = text;
  if (byId("more").textContent !== more) byId("more").textContent = more;
}

function hold(state, text, more) {
  held = Date.now() + OPEN;
  show(state, text, more);
}

function speak(text) {
  if (!byId("voice").checked || !window.speechSynthesis) return;
  const words = new SpeechSynthesisUtterance(text);
  words.lang = locale;
  speechSynthesis.speak(words);
}

function note(kind, text) {
  const now = new Date();
  const time = now.toLocaleTimeString(locale);
  byId("log").prepend(make(
    "li", {}, make("time", { dateTime: now.toISOString(), class: "soft number" }, time),
    make("span", { class: `tag ${kind}` }, text),
  ));
  byId("log-empty").hidden = true;
}

/** Whether somebody has come who was not here a moment ago. */
function comes(who) {
  const now = Date.now();
  const last = visits.get(who) ?? -Infinity;
  visits.set(who, now);
  return now - last > GONE;
}

function look(answer, scale) {
  const faces = answer.faces.filter((face) => face.box);
  draw(faces.map((face) => ({
    box: face.box.map((side) => side * scale), label: labelOf(face), kind: kindOf(face),
  })));
  const known = faces.filter((face) => face.agreed === "known" && face.agreed_name);
  const strangers = faces.filter((face) => face.agreed === STRANGER);
  const names = known.map((face) => face.agreed_name);
  const fresh = known.filter((face) => comes(face.agreed_person)).map((face) => face.agreed_name);
  fresh.forEach((name) => {
    note("good", t("door.welcome", { name }));
    speak(t("door.welcome", { name }));
  });
  const newcomer = strangers.length > 0 && comes(STRANGER);
  if (newcomer) {
    note("bad", t("door.stranger"));
    speak(t("door.stranger"));
  }
  if (answer.liveness) prove(answer.liveness);
  if (claiming || proving || Date.now() < held) return;
  const pictured = [...known, ...strangers].some((face) => face.liveness?.hint === "not live");
  const hint = pictured ? t("liveness.pictured") : "";
  if (names.length) show("known", names.map((name) => t("door.welcome", { name })).join(" "), hint);
  else if (strangers.length) show(STRANGER, t("door.stranger"), hint || t("door.stranger_more"));
  else show("on", faces.length ? t("door.looking") : t("door.nobody"));
}

/** Says which movement is waited for, and in the end whether it was seen: a hint. */
function prove({ asked, hint, seconds }) {
  const wanted = t(`liveness.${asked}`);
  if (hint === null) {
    if (proving !== asked) speak(wanted);
    proving = asked;
    show("asked", wanted, t("liveness.seconds", { n: number(Math.ceil(seconds)) }));
    return;
  }
  proving = false;
  const kind = { live: "good", "not live": "bad", unsure: "unsure" }[hint];
  const text = t(`liveness.${hint.replace(" ", "_")}`);
  hold(kind === "good" ? "known" : "on", text, t("liveness.limits"));
  note(kind, text);
  speak(text);
}

function labelOf(face) {
  if (face.agreed === STRANGER) return t("face.stranger");
  return face.agreed_name ?? "…";
}

function kindOf(face) {
  if (face.agreed === STRANGER) return STRANGER;
  return face.agreed_name ? "known" : "unjudged";
}

async function start() {
  try {
    await open(video);
  } catch (error) {
    show("off", error.message);
    return;
  }
  ({ mark: draw } = marker(byId("view"), video.videoWidth, video.videoHeight, true));
  byId("view").style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`;
  camera = frames(video, {
    agree: AGREE, liveness: stage.dataset.passive === "true", answered: look, ended: () => {
      finish();
      show("off", t("door.lost"));
    },
  });
  show("on", t("door.nobody"));
  controls(true);
  byId("stop").focus();
}

function finish() {
  camera?.stop();
  camera = null;
  proving = false;
  shut(video);
  draw?.([]);
  controls(false);
  show("off", t("door.off"));
  byId("start").focus();
}

function controls(on) {
  byId("start").hidden = on;
  byId("stop").hidden = !on;
  byId("claim").hidden = !on;
  byId("prove").hidden = !on;
  byId("full").hidden = !on || !stage.requestFullscreen;
}

/** Verifies a claimed name one to one: frames in a row have to say the same. */
async function verify(claimed) {
  let row = { same: null, length: 0 };
  for (let n = 0; n < TRIES && camera; n += 1) {
    const photo = await snapshot(video, 640);
    let same = null;
    try {
      const body = form({ photo, person: claimed.id });
      ({ same } = await ask("POST", "/v1/verify", { body }));
    } catch (problem) {
      if (!["no_face", "face_too_small", "face_too_blurred"].includes(problem.code)) throw problem;
    }
    row = same === row.same ? { same, length: row.length + 1 } : { same, length: 1 };
    if (same !== null && row.length >= AGREE) return same;
  }
  return false;
}

byId("claim").addEventListener("submit", async (event) => {
  event.preventDefault();
  const claimed = person();
  if (!claimed || claiming || proving) {
    if (!claimed) hold("on", t("claim.nobody"));
    return;
  }
  claiming = true;
  show("on", t("claim.checking", { name: claimed.name }));
  const { name } = claimed;
  try {
    const same = await verify(claimed);
    const text = t(same ? "claim.opened" : "claim.shut", { name });
    hold(same ? "open" : "shut", text, same ? "" : t("claim.shut_more"));
    note(same ? "good" : "bad", text);
    speak(text);
    visits.set(claimed.id, Date.now());
    byId("claimed").value = "";
  } catch (problem) {
    hold("shut", problem.message, problem.remedy);
  } finally {
    claiming = false;
  }
});
byId("start").addEventListener("click", start);
byId("prove").addEventListener("click", () => {
  if (!claiming) camera?.challenge();
});
byId("stop").addEventListener("click", finish);
byId("full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else stage.requestFullscreen();
});
