// The false-accept rate: a slider, and what it means in words.
import { ask } from "./api.js";
import { byId } from "./dom.js";
import { number, t } from "./texts.js";

/** Makes the page's slider work; `changed` is called when it moves. */
export function rateSlider(changed) {
  const input = byId("rate");
  let rates = [];
  const slider = { far: null };

  const say = () => {
    const rate = rates[Number(input.value)];
    slider.far = rate.far;
    const of = number(Math.round(1 / rate.far));
    const words = t("rate.words", { of });
    byId("rate-figure").textContent = t("rate.figure", { of });
    byId("rate-words").textContent = rate.threshold === null ? t("rate.nobody") : words;
    byId("rate-doubt").hidden = rate.supported;
    byId("rate-doubt").textContent = rate.supported ? "" : t("rate.doubt");
    input.setAttribute("aria-valuetext", t("rate.figure", { of }));
  };

  input.addEventListener("input", () => {
    say();
    changed();
  });

  ask("GET", "/v1/models").then(({ models: [model] }) => {
    ({ rates } = model);
    input.max = rates.length - 1;
    input.value = Math.max(0, rates.findIndex((rate) => rate.far <= model.far * 1.0001));
    say();
    changed();
  }, (problem) => {
    byId("rate-words").textContent = problem.message;
    input.disabled = true;
  });
  return slider;
}
