// How well the model tells strangers from the people in it.
import { ask } from "./api.js";
import { busy, byId, make, notice } from "./dom.js";
import { draw } from "./svg.js";
import { has, number, percent, t } from "./texts.js";

const [HEIGHT, FOOT] = [230, 26];
const state = byId("state");

busy(state, t("base.loading"));
try {
  const [{ models: [model] }, measured] = await Promise.all([
    ask("GET", "/v1/models"), ask("GET", "/v1/models/accuracy"),
  ]);
  state.replaceChildren();
  for (const id of ["figures", "scores", "rates", "cohort"]) byId(id).hidden = false;
  figures(model, measured);
  plot(measured);
  table(measured);
  cohorts(model, measured);
} catch (problem) {
  state.replaceChildren(notice("bad", problem.message, problem.remedy));
}

function oneIn(far) {
  return t("rate.figure", { of: number(Math.round(1 / far)) });
}

function figures(model, measured) {
  const shown = [
    ["people", number(model.people)],
    ["photos", number(model.photos)],
    ["usual", oneIn(measured.far)],
    ["usual_threshold", measured.threshold === null ? "–" : number(measured.threshold, 2)],
  ];
  byId("figures").replaceChildren(
    ...shown.map(([name, value]) =>
      make("div", {}, make("dt", {}, t(`accuracy.${name}`)), make("dd", {}, value))),
  );
}

function plot(measured) {
  const { from, to } = measured;
  const width = Math.max(280, Math.min(960, byId("plot").clientWidth));
  const [strangers] = measured.strangers.filter((each) => each.count);
  const series = [
    ["stranger", strangers?.shares ?? [], t("accuracy.strangers", { n: number(strangers?.count ?? 0) })],
    ["known", measured.enrolled.shares, t("accuracy.enrolled", { n: number(measured.enrolled.count) })],
  ];
  const x = (score) => ((score - from) / (to - from)) * width;
  const picture = draw("svg", {
    viewBox: `0 0 ${width} ${HEIGHT + FOOT}`, role: "img", "aria-label": t("accuracy.plot", {
      threshold: measured.threshold === null ? "–" : number(measured.threshold, 2),
    }),
  });
  for (const [kind, shares] of series) {
    const most = Math.max(...shares, 1e-9); // each hill is as high as the other
    const y = (share) => HEIGHT - (share / most) * (HEIGHT - 24);
    const step = width / shares.length;
    const steps = shares.map((share, n) => `L${n * step} ${y(share)}h${step}`).join("");
    picture.append(draw("path", { class: `area ${kind}`, d: `M0 ${HEIGHT}${steps}V${HEIGHT}z` }));
  }
  picture.append(draw("path", { class: "axis", d: `M0 ${HEIGHT}H${width}` }));
  for (let score = Math.ceil(from * 2) / 2; score <= to; score += 0.5) {
    picture.append(draw("text", { x: x(score), y: HEIGHT + 18, "text-anchor": "middle" }, number(score, 1)));
  }
  if (measured.threshold !== null) {
    const place = x(measured.threshold);
    picture.append(
      draw("path", { class: "limit", d: `M${place} 0V${HEIGHT}` }),
      draw("text", { class: "limit", x: place - 6, y: 12, "text-anchor": "end" }, t("accuracy.accepted_from")),
    );
  }
  byId("plot").replaceChildren(picture);
  byId("legend").replaceChildren(
    ...series.map(([kind, , text]) => make("span", { class: `key ${kind}` }, text)),
  );
}

function table(measured) {
  const { count } = measured.enrolled;
  byId("rows").replaceChildren(...measured.rates.map((rate) => make(
    "tr", {}, make("th", { scope: "row" }, oneIn(rate.far)),
    rate.threshold === null
      ? make("td", { colSpan: 4, class: "soft" }, t("accuracy.nobody"))
      : [
          number(rate.threshold, 2),
          t("accuracy.of", { part: number(rate.accepted), all: number(rate.strangers) }),
          t("accuracy.range", { from: percent(rate.interval[0], 2), to: percent(rate.interval[1], 2) }),
          count
            ? t("accuracy.of", { part: number(rate.missed), all: number(count) })
            : t("accuracy.unknown"),
        ].map((text) => make("td", {}, text)),
  )));
}

function cohorts(model, measured) {
  byId("cohorts").replaceChildren(
    ...measured.strangers.filter((each) => each.count).flatMap((each) => {
      const key = `cohort.${each.kind}`;
      const values = { n: number(each.count), data: each.data };
      return [
        make("dt", {}, has(key) ? t(key) : each.kind),
        make("dd", {}, t(each.data ? "accuracy.measured_on" : "accuracy.measured", values)),
      ];
    }),
    make("dt", {}, t("accuracy.space")), make("dd", {}, make("code", {}, model.space)),
    make("dt", {}, t("accuracy.model")), make("dd", {}, make("code", {}, model.hash)),
  );
}
