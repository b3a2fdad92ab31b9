// Configures Swagger UI. It switches to dark mode by a class on the root element, not by a media query.
const root = document.documentElement;
const dark = matchMedia('(prefers-color-scheme: dark)');
const applyMode = () => root.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', applyMode);
applyMode();

// Swagger UI leaves some inputs and buttons without an accessible name.
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

// The page has its own introduction, and the only server is this one, so both components render nothing.
const empty = () => null;

SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#document',
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [{ components: { InfoContainer: empty, ServersContainer: empty } }],
  layout: 'BaseLayout',
  displayRequestDuration: true,
  // The only theme whose colours all have enough contrast in light and dark mode.
  syntaxHighlight: { theme: 'obsidian' },
  // Show the schemas collapsed, below the operations.
  defaultModelsExpandDepth: 0,
  // Ignore URL parameters that name another document, call no external validator, and store no credentials.
  queryConfigEnabled: false,
  validatorUrl: null,
  persistAuthorization: false,
});
