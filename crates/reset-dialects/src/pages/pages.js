"use strict";
(() => {
  const field = document.getElementById("password");
  const show = document.getElementById("show");
  const rules = document.getElementById("rules");
  show.closest("label").hidden = false;
  show.addEventListener("change", () => { field.type = show.checked ? "text" : "password"; });
  const tests = {
    min: (text) => [...text].length >= Number(rules.dataset.min),
    max: (text) => new TextEncoder().encode(text).length <= Number(rules.dataset.max),
    classes: (text) => /[A-Z]/.test(text) && /[a-z]/.test(text) && /[0-9]/.test(text) && /[^A-Za-z0-9]/.test(text),
  };
  field.addEventListener("input", () => {
    for (const rule of rules.children) {
      const test = tests[rule.dataset.rule];
      if (test) rule.dataset.ok = field.value !== "" && test(field.value);
    }
  });
})();
