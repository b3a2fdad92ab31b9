"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  // The second press of a double click must not send the form again.
  for (const form of document.querySelectorAll("form")) {
    const button = form.querySelector("button[type=submit]");
    const free = () => button.removeAttribute("aria-busy");
    form.addEventListener("submit", (event) => {
      if (button.getAttribute("aria-busy")) return event.preventDefault();
      button.setAttribute("aria-busy", "true");
      // A person who has stopped loading can press again.
      setTimeout(free, 8000);
    });
    // A page from the browser's history is as it was left.
    addEventListener("pageshow", free);
  }
  // An error is about what was sent: it goes at the first change of its field.
  for (const field of document.querySelectorAll("[aria-invalid=true]")) {
    field.addEventListener("input", () => {
      field.removeAttribute("aria-invalid");
      const error = at(`${field.id}-error`);
      if (error) error.hidden = true;
    }, { once: true });
  }
  // The server sends no second mail before this: the button says when it makes sense again.
  for (const button of document.querySelectorAll("[data-wait]")) {
    const label = button.textContent;
    const end = Date.now() + Number(button.dataset.wait) * 1000;
    const tick = () => {
      const left = Math.ceil((end - Date.now()) / 1000);
      button.disabled = left > 0;
      const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      button.textContent = left > 0 ? button.dataset.waiting.replace("{time}", time) : label;
      if (left > 0) setTimeout(tick, 250);
    };
    tick();
  }
  // A code of six characters is shown in six cells; a longer one in the field itself.
  const code = at("code");
  if (code) {
    const box = code.parentElement;
    const cells = Array.from({ length: 6 }, () => {
      const cell = document.createElement("span");
      cell.setAttribute("aria-hidden", "true");
      return box.appendChild(cell);
    });
    const draw = () => {
      const plain = code.value.replace(/[\s-]/g, "");
      const fits = /^[0-9A-Za-z]{0,6}$/.test(plain);
      if (fits && plain !== code.value) code.value = plain;
      box.classList.toggle("cells", fits);
      const place = Math.min(code.selectionStart ?? plain.length, 5);
      cells.forEach((cell, index) => {
        cell.textContent = plain[index] ?? "";
        cell.classList.toggle("next", index === place);
      });
    };
    code.addEventListener("input", draw);
    document.addEventListener("selectionchange", draw);
    draw();
    // If a whole line of the mail is pasted, insert only the code.
    code.addEventListener("paste", (event) => {
      const found = event.clipboardData.getData("text").match(/\b(\d{6}|[0-9A-Za-z]{4,}(-[0-9A-Za-z]{4,}){2}-[0-9A-Za-z]+)\b/);
      if (!found) return;
      event.preventDefault();
      code.value = found[1];
      code.dispatchEvent(new Event("input"));
    });
  }
  const field = at("password");
  if (!field || !at("rules")) return;
  const [show, rules, strength] = [at("show"), at("rules"), at("strength")];
  const labels = [show.getAttribute("aria-label"), show.dataset.hide];
  const reveal = (shown) => {
    field.type = shown ? "text" : "password";
    show.setAttribute("aria-pressed", String(shown));
    show.setAttribute("aria-label", labels[Number(shown)]);
    show.title = labels[Number(shown)];
  };
  show.hidden = strength.hidden = false;
  reveal(false);
  show.addEventListener("click", () => reveal(field.type === "password"));
  field.form.addEventListener("submit", () => reveal(false));
  const mark = (rule, ok) => {
    if (ok === undefined) delete rule.dataset.ok;
    else rule.dataset.ok = ok;
    const met = rule.querySelector(".unseen") ?? rule.appendChild(document.createElement("span"));
    met.className = "unseen";
    met.textContent = ok ? ` (${rules.dataset.met})` : "";
  };
  const tests = {
    min: (text) => [...text].length >= Number(rules.dataset.min),
    max: (text) => new TextEncoder().encode(text).length <= Number(rules.dataset.max),
    classes: (text) => /[A-Z]/.test(text) && /[a-z]/.test(text) && /[0-9]/.test(text) && /[^A-Za-z0-9]/.test(text),
  };
  const rate = (result) => {
    if (result) strength.dataset.score = result.score;
    else delete strength.dataset.score;
    strength.querySelector("p").lastElementChild.textContent = result ? result.text : "";
    const common = rules.querySelector("[data-rule=common]");
    if (common) mark(common, result ? !result.common : undefined);
  };
  const estimate = async () => {
    const password = field.value;
    const { lang, email } = field.form.elements;
    const fields = { password, lang: lang.value, email: email ? email.value : "" };
    const response = password && await fetch(strength.dataset.at, { method: "POST", body: new URLSearchParams(fields), credentials: "omit" });
    if (password !== field.value) return;
    const result = response && response.ok && await response.json();
    if (password === field.value) rate(result);
  };
  let timer;
  field.addEventListener("input", () => {
    for (const rule of rules.children) {
      const test = tests[rule.dataset.rule];
      if (test) mark(rule, field.value === "" ? undefined : test(field.value));
    }
    rules.classList.remove("checked");
    clearTimeout(timer);
    timer = setTimeout(() => estimate().catch(() => rate()), field.value === "" ? 0 : 350);
  });
  field.addEventListener("blur", () => rules.classList.add("checked"));
})();
