// Swagger UI, set up. It darkens by a class instead of asking the browser.
const root = document.documentElement;
const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => root.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();

// It leaves some of what can be typed into or pressed without a name for those who do not see it.
const names = {
  '.copy-to-clipboard button': 'Copy',
  'textarea.body-param__text': 'Request body',
  '.examples-select-element': 'Example',
  '.parameters input': 'Value',
};
new MutationObserver(() => {
  for (const [selector, name] of Object.entries(names)) {
    for (const element of document.querySelectorAll(`${selector}:not([aria-label])`)) {
      element.setAttribute('aria-label', element.placeholder || name);
    }
  }
}).observe(document.getElementById('document'), { childList: true, subtree: true });

// The page says above what the document is, and there is one server: this one.
const nothing = () => null;

SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#document',
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [{ components: { InfoContainer: nothing, ServersContainer: nothing } }],
  layout: 'BaseLayout',
  displayRequestDuration: true,
  // The one of its themes whose every colour can be read on both of its grounds.
  syntaxHighlight: { theme: 'obsidian' },
  // The operations first; the schemas stand folded below them.
  defaultModelsExpandDepth: 0,
  // This document and no other, whatever the address says; nobody is asked whether it is valid; nothing is kept.
  queryConfigEnabled: false,
  validatorUrl: null,
  persistAuthorization: false,
});
