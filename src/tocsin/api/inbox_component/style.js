// How <tocsin-inbox> looks. A page changes it by the custom properties, and by ::part().

const TEXT = `
:host {
  --bg: var(--tocsin-bg, light-dark(#ffffff, #191c21));
  --fg: var(--tocsin-fg, light-dark(#1b1d22, #eceef2));
  --fg-soft: var(--tocsin-fg-muted, light-dark(#565a63, #a7adb8));
  --line: var(--tocsin-line, light-dark(#dcdbd4, #343941));
  --control: var(--tocsin-control, light-dark(#83868e, #737a86));
  --accent: var(--tocsin-accent, light-dark(#3a48c2, #a3aeff));
  --mark: var(--tocsin-badge, light-dark(#ad4806, #ff9d57));
  --on-mark: var(--tocsin-on-badge, light-dark(#ffffff, #12141c));
  --bad: var(--tocsin-error, light-dark(#a81f19, #ff9d94));
  --ok: var(--tocsin-ok, light-dark(#11683f, #6ad39b));
  display: block; color: var(--fg); background: var(--bg); font: var(--tocsin-font, inherit);
  overflow-wrap: anywhere;
}
:host([mode="bell"]) { display: inline-block; background: transparent; }
:host([hidden]), [hidden] { display: none !important; }
*, ::before { box-sizing: border-box; }
h3, p, ul { margin: 0; padding: 0; font-size: 1em; }
h3 { font-weight: 600; }
ul { list-style: none; max-height: var(--tocsin-height, 28rem); overflow: auto; }
a { color: var(--accent); }
.head, .row { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; }
.head { justify-content: space-between; min-height: 32px; }
.row { margin-top: 6px; }
.state { font-variant-numeric: tabular-nums; }
.state::before {
  content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 6px; background: var(--bad);
}
.state[data-connection="live"]::before { border-radius: 99px; background: var(--ok); }
.state[data-connection="connecting"]::before, .state[data-connection="polling"]::before {
  border-radius: 99px; background: var(--fg-soft);
}
.soft, .none { color: var(--fg-soft); font-size: .93em; }
.problem { color: var(--bad); }
.item { padding: 10px 0; }
.item + .item { border-top: 1px solid var(--line); }
.item > p { white-space: pre-line; }
.item.unread h3::before {
  content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 6px; border-radius: 99px;
  background: var(--mark);
}
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
button {
  min-height: 26px; padding: 1px 8px; border: 1px solid var(--control); border-radius: 6px; cursor: pointer;
  background: transparent; color: inherit; font: inherit; font-size: .93em; font-weight: 600;
}
.tabs { display: flex; flex-wrap: wrap; gap: 4px; margin-top: 8px; border-bottom: 1px solid var(--line); }
.tabs button { border: 0; border-bottom: 3px solid transparent; border-radius: 0; }
.tabs [aria-selected="true"] { border-bottom-color: var(--accent); color: var(--accent); }
.head .row { margin-top: 0; }
fieldset { margin: 10px 0 0; padding: 0 0 10px; border: 0; border-bottom: 1px solid var(--line); }
#choices > p { margin-top: 8px; }
legend { padding: 0; font-weight: 600; }
.switch { display: inline-flex; align-items: center; gap: 6px; min-height: 26px; margin-inline-end: 8px; }
.switch:has(:disabled) { color: var(--fg-soft); }
.switch input {
  appearance: none; position: relative; width: 34px; height: 20px; margin: 0; border: 1px solid var(--control);
  border-radius: 99px; background: transparent; cursor: pointer;
}
.switch input::before {
  content: ""; position: absolute; inset-block-start: 3px; inset-inline-start: 3px; width: 12px; height: 12px;
  border-radius: 99px; background: var(--control);
}
.switch input:checked { border-color: var(--accent); background: var(--accent); }
.switch input:checked::before { inset-inline-start: 17px; background: var(--bg); }
.switch input:disabled { cursor: default; }
.bell {
  position: relative; display: inline-grid; place-items: center; min-width: 44px; min-height: 44px; padding: 0;
  border-color: transparent; color: inherit;
}
.badge {
  position: absolute; inset-block-start: 2px; inset-inline-end: 0; min-width: 18px; padding: 0 5px;
  border-radius: 99px; background: var(--mark); color: var(--on-mark); font-size: 12px; line-height: 18px;
  text-align: center; font-variant-numeric: tabular-nums;
}
.panel {
  position: fixed; inset: auto; width: min(var(--tocsin-width, 400px), calc(100vw - 16px)); margin: 0; padding: 16px;
  overflow: auto; border: 1px solid var(--line); border-radius: 8px; background: var(--bg); color: var(--fg);
  box-shadow: 0 8px 24px rgb(0 0 0 / 25%);
}
.panel:focus { outline: none; }
.panel h2 { margin: 0; font-size: 1.14em; }
.panel > * + * { margin-top: 8px; }
@media (max-width: 480px) {
  .panel { inset: 0; width: 100%; height: 100%; max-width: none; max-height: none; border: 0; border-radius: 0; }
  .panel ul { max-height: none; overflow: visible; }
}
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (pointer: coarse) { button, .switch { min-height: 44px; } }
@media (forced-colors: active) { .state::before, .item.unread h3::before, .switch input, .switch input::before { forced-color-adjust: none; } }
`;

let shared = null;

export function style() {
  if (shared === null) {
    shared = new CSSStyleSheet();
    shared.replaceSync(TEXT);
  }
  return shared;
}
