// The page of the playground: reads the settings, starts the worker that trains, and shows its results.
import { choices, defaults, fromHash, solvers, toHash } from './settings.js';
import { readCSV } from '../bin/lib/csv.js';

/** @import { Message, Order, Row } from './worker.js' */
/** @import { Settings } from './settings.js' */

const form = /** @type {HTMLFormElement} */ (document.querySelector('form'));
const stop = /** @type {HTMLButtonElement} */ (form.elements.namedItem('stop'));
const file = /** @type {HTMLInputElement} */ (form.elements.namedItem('file'));
const target = /** @type {HTMLSelectElement} */ (form.elements.namedItem('target'));
const tableFields = /** @type {HTMLElement} */ (form.querySelector('.table'));
const status = /** @type {HTMLElement} */ (document.querySelector('.status'));
const progress = /** @type {HTMLProgressElement} */ (document.querySelector('progress'));
const body = /** @type {HTMLTableSectionElement} */ (document.querySelector('tbody'));
const link = /** @type {HTMLAnchorElement} */ (document.querySelector('#link'));
const learned = /** @type {HTMLElement} */ (document.querySelector('#learned figcaption'));
/** Captions of the learned function, for data that need an explanation. @type {Record<string, string | undefined>} */
const captions = {
  digits: 'What was learned, on digits held out',
  spirals: 'What was learned, by the lowest loss',
};
/** Text of the user's own table. */
let table = '';
let isRunning = false;
/** Number of runs so far; late messages of earlier runs are ignored. */
let runs = 0;

const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
worker.addEventListener('message', (/** @type {MessageEvent<Message>} */ { data }) => receive(data));
worker.addEventListener('error', ({ message }) => fail(message || 'The worker could not be loaded.'));

buildForm();
show(fromHash(location.hash));
addEventListener('hashchange', () => {
  show(fromHash(location.hash));
  train();
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  const hash = toHash(read());
  // Opening an address with other settings starts training.
  if (hash === location.hash.slice(1)) train();
  else location.hash = hash;
});
form.addEventListener('change', () => {
  tableFields.hidden = read().data !== 'table';
  link.href = `#${toHash(read())}`;
});
file.addEventListener('change', () => void loadTable());
stop.addEventListener('click', () => {
  worker.postMessage('stop');
  end('Stopped.');
});
train();

function buildForm() {
  for (const [name, values] of Object.entries(choices)) {
    const select = /** @type {HTMLSelectElement} */ (form.elements.namedItem(name));
    const preferred = defaults()[/** @type {keyof typeof choices} */ (name)];
    select.append(
      ...Object.entries(values).map(([value, text]) => new Option(text, value, value === preferred)),
    );
  }
  const boxes = Object.entries(solvers).map(([value, { name, color }]) => {
    const box = Object.assign(document.createElement('input'), { type: 'checkbox', name: 'solvers', value });
    const label = document.createElement('label');
    label.style.setProperty('--color', color);
    label.append(box, name);
    return label;
  });
  form.querySelector('fieldset')?.append(...boxes);
}

/** @param {Settings} settings */
function show(settings) {
  for (const [name, value] of Object.entries(settings)) {
    if (name === 'solvers') continue;
    const field = /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
    field.value = String(value);
  }
  for (const box of /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll('[name=solvers]')))
    box.checked = settings.solvers.includes(box.value);
  tableFields.hidden = settings.data !== 'table';
  link.href = `#${toHash(settings)}`;
}

/** Returns the settings in the form. @returns {Settings} */
function read() {
  const valueOf = (/** @type {string} */ name) =>
    /** @type {HTMLInputElement} */ (form.elements.namedItem(name)).value;
  const named = Object.keys(defaults()).filter((name) => name !== 'solvers');
  /** @type {NodeListOf<HTMLInputElement>} */
  const chosen = form.querySelectorAll('[name=solvers]:checked');
  return /** @type {Settings} */ ({
    ...Object.fromEntries(named.map((name) => [name, valueOf(name)])),
    solvers: Array.from(chosen, ({ value }) => value),
  });
}

async function loadTable() {
  const [chosen] = file.files ?? [];
  if (!chosen) return;
  table = await chosen.text();
  try {
    const names = readCSV(table)[0]?.fields ?? [];
    target.replaceChildren(...names.map((name, i) => new Option(name, name, false, i === names.length - 1)));
    status.textContent = `${chosen.name}: ${names.length} columns. Choose the one to predict, then train.`;
  } catch (error) {
    fail(`${chosen.name}: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

function train() {
  const settings = read();
  if (settings.solvers.length === 0) return fail('Choose a solver at least.');
  if (settings.data === 'table' && table === '')
    return fail('Choose a file with a table first. It stays in this page, and is no part of the link.');
  document.querySelectorAll('.picture').forEach((picture) => picture.replaceChildren());
  body.replaceChildren();
  learned.textContent = captions[settings.data] ?? 'What was learned';
  progress.value = 0;
  isRunning = true;
  stop.disabled = false;
  document.body.dataset.state = 'training';
  status.textContent = 'Training …';
  const width = Math.round(document.querySelector('.picture')?.clientWidth ?? 480);
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
  const view = {
    width,
    height: Math.round(0.8 * width),
    background: isDark ? '#14181e' : '#ffffff',
    // On a phone, there is no room for names of axes.
    fontSize: width < 420 ? 12 : 14,
  };
  runs++;
  /** @type {Order} */
  const order = { settings, table, target: target.value || undefined, view, run: runs };
  worker.postMessage(order);
}

/** @param {Message} message */
function receive(message) {
  if (message.run !== runs) return;
  if (message.kind === 'error') return fail(message.message);
  if (message.kind === 'picture') return void draw(message.place, message.picture, message.run);
  if (!isRunning) return;
  const { rows, parameters, done } = message;
  body.replaceChildren(...rows.map(rowOf));
  const total = Number(read().evaluations) * rows.length;
  progress.value = done ? 1 : rows.reduce((sum, { evaluations }) => sum + evaluations, 0) / total;
  if (!done) return;
  const [best] = rows.toSorted((a, b) => a.loss - b.loss);
  end(`Done: ${parameters} parameters; the lowest loss is ${number(best.loss)}, by ${best.name}.`);
}

/** @type {(place: string, picture: string | Blob, run: number) => Promise<void>} */
async function draw(place, picture, run) {
  const blob = typeof picture === 'string' ? new Blob([picture], { type: 'image/svg+xml' }) : picture;
  const image = new Image();
  image.alt = altOf(place);
  image.src = URL.createObjectURL(blob);
  await image.decode().catch(() => {});
  if (run === runs) document.querySelector(`#${place} .picture`)?.replaceChildren(image);
  URL.revokeObjectURL(image.src);
}

/** @param {string} place */
function altOf(place) {
  const rows = [...body.rows].map(({ cells }) => `${cells[0].textContent} ${cells[1].textContent}`);
  if (place === 'losses') return `Loss against evaluations. Now: ${rows.join('; ')}.`;
  if (place === 'landscape')
    return 'Contours of the loss around the best point, with the path of each solver.';
  return 'The data, and what the networks predict.';
}

/** Names of the columns; on narrow screens, each number is preceded by the name of its column. */
const headings = () =>
  Array.from(document.querySelectorAll('thead th'), ({ textContent }) => textContent ?? '');

/** @param {Row} row */
function rowOf({ name, color, loss, accuracy, evaluations, seconds, ending }) {
  // Explicit roles: on narrow screens rows are grids, which some browsers no longer treat as a table.
  const row = Object.assign(document.createElement('tr'), { role: 'row' });
  const head = Object.assign(document.createElement('th'), {
    scope: 'row',
    role: 'rowheader',
    textContent: name,
  });
  head.style.setProperty('--color', color);
  const share = accuracy === undefined ? '–' : `${(100 * accuracy).toFixed(1)} %`;
  const cells = [number(loss), share, String(evaluations), seconds.toFixed(2), ending || 'running'];
  const labels = headings();
  row.append(
    head,
    ...cells.map((textContent, i) => {
      const cell = Object.assign(document.createElement('td'), { role: 'cell', textContent });
      cell.dataset.label = labels[i + 1];
      return cell;
    }),
  );
  return row;
}

const number = (/** @type {number} */ value) =>
  value === 0 ? '0' : Number.isFinite(value) ? value.toExponential(2) : '–';

/** @param {string} message */
function end(message) {
  isRunning = false;
  stop.disabled = true;
  document.body.dataset.state = 'done';
  status.textContent = message;
}

/** @param {string} message */
function fail(message) {
  end(message);
  document.body.dataset.state = 'failed';
}
