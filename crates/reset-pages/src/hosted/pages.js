"use strict";
(() => {
  const field = document.getElementById("password");
  const show = document.getElementById("show");
  const rules = document.getElementById("rules");
  const strength = document.getElementById("strength");
  const code = document.getElementById("code");
  show.closest("label").hidden = false;
  show.addEventListener("change", () => { field.type = show.checked ? "text" : "password"; });
  field.form.addEventListener("submit", () => { field.type = "password"; });
  const tests = {
    min: (text) => [...text].length >= Number(rules.dataset.min),
    max: (text) => new TextEncoder().encode(text).length <= Number(rules.dataset.max),
    classes: (text) => /[A-Z]/.test(text) && /[a-z]/.test(text) && /[0-9]/.test(text) && /[^A-Za-z0-9]/.test(text),
  };
  const estimate = async () => {
    const asked = field.value;
    const { lang, email } = field.form.elements;
    const said = { password: asked, lang: lang.value, email: email ? email.value : "" };
    const answer = asked && await fetch(strength.dataset.at, { method: "POST", body: new URLSearchParams(said), credentials: "omit" });
    if (asked !== field.value) return;
    const known = answer && answer.ok && await answer.json();
    strength.hidden = !known;
    if (!known || asked !== field.value) return;
    strength.querySelector("meter").value = known.score;
    strength.querySelector("span").textContent = known.text;
    const common = rules.querySelector("[data-rule=common]");
    if (common) common.dataset.ok = !known.common;
  };
  let pause;
  field.addEventListener("input", () => {
    for (const rule of rules.children) {
      const test = tests[rule.dataset.rule];
      if (test) rule.dataset.ok = field.value !== "" && test(field.value);
      else delete rule.dataset.ok;
    }
    clearTimeout(pause);
    pause = setTimeout(() => estimate().catch(() => { strength.hidden = true; }), 350);
  });
  // Of a whole line of the mail, the code.
  if (code) code.addEventListener("paste", (event) => {
    const found = event.clipboardData.getData("text").match(/\b(\d{6}|[0-9A-Za-z]{4,}(-[0-9A-Za-z]{4,}){2}-[0-9A-Za-z]+)\b/);
    if (!found) return;
    event.preventDefault();
    code.value = found[1];
  });
})();
