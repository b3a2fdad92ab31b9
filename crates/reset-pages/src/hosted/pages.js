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
    const password = field.value;
    const { lang, email } = field.form.elements;
    const fields = { password, lang: lang.value, email: email ? email.value : "" };
    const response = password && await fetch(strength.dataset.at, { method: "POST", body: new URLSearchParams(fields), credentials: "omit" });
    if (password !== field.value) return;
    const result = response && response.ok && await response.json();
    strength.hidden = !result;
    if (!result || password !== field.value) return;
    strength.querySelector("meter").value = result.score;
    strength.querySelector("span").textContent = result.text;
    const common = rules.querySelector("[data-rule=common]");
    if (common) common.dataset.ok = !result.common;
  };
  let timer;
  field.addEventListener("input", () => {
    for (const rule of rules.children) {
      const test = tests[rule.dataset.rule];
      if (test) rule.dataset.ok = field.value !== "" && test(field.value);
      else delete rule.dataset.ok;
    }
    clearTimeout(timer);
    timer = setTimeout(() => estimate().catch(() => { strength.hidden = true; }), 350);
  });
  // If a whole line of the mail is pasted, insert only the code.
  if (code) code.addEventListener("paste", (event) => {
    const found = event.clipboardData.getData("text").match(/\b(\d{6}|[0-9A-Za-z]{4,}(-[0-9A-Za-z]{4,}){2}-[0-9A-Za-z]+)\b/);
    if (!found) return;
    event.preventDefault();
    code.value = found[1];
  });
})();
