/**
 * Controls to follow paths step by step on a page: a slider, and a button that plays it.
 *
 * They are standard HTML controls, so keys and screen readers work. Nothing moves on its own, and there is no playback if
 * the reader prefers reduced motion.
 *
 * @module
 */
import type { PlotlyFigure } from './plotly.ts';

/** Number of points of the longest path in the figure; 0 without paths. */
export function stepsOf({ data }: PlotlyFigure): number {
  return data.reduce((most, { meta, x }) => {
    const isPath = typeof meta === 'object' && meta !== null && 'path' in meta;
    return isPath && Array.isArray(x) ? Math.max(most, x.length) : most;
  }, 0);
}

/** Returns the slider and the button as HTML. */
export const stepControls = (steps: number): string => `<form id="steps">
<button type="button">Play</button>
<input type="range" min="0" max="${steps - 1}" value="${steps - 1}" aria-label="Step of the paths">
<output></output>
</form>
`;

/** Seconds that playing all steps takes. */
const playingTime = 8;

/** Script of the controls; the page defines `figure` and the promise `drawn`. */
export const stepScript = `
drawn.then((div) => {
  const form = document.getElementById('steps');
  const [button, slider, output] = form.elements;
  const traces = figure.data.flatMap(({ meta }, k) => (meta && meta.path ? [k] : []));
  // Copies: plotly writes what is shown into its own.
  const whole = traces.map((k) => ({ ...figure.data[k] }));
  const last = Number(slider.max);
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let frame = 0;
  let busy = false;
  const losses = whole.flatMap(({ customdata }) => customdata.map(([loss]) => loss)).filter((loss) => loss !== null);
  const [low, high] = losses.reduce(([a, b], loss) => [Math.min(a, loss), Math.max(b, loss)], [Infinity, -Infinity]);
  const more = high > low ? Math.ceil(Math.log10(Math.max(Math.abs(low), Math.abs(high)) / (high - low))) : 0;
  const digits = Math.min(17, 4 + Math.max(0, more));
  const describe = (step) => whole.map(({ name, x, customdata }) => {
    const [loss] = customdata[Math.min(step, x.length - 1)];
    return name + ': loss ' + (loss === null ? 'unknown' : Number(loss.toPrecision(digits)));
  });
  async function show() {
    // One drawing at a time; the latest step wins.
    if (busy) return;
    busy = true;
    let step;
    do {
      step = Number(slider.value);
      const cut = { };
      for (const axis of ['x', 'y', 'z']) {
        if (axis in whole[0]) cut[axis] = whole.map((trace) => trace[axis].slice(0, step + 1));
      }
      await Plotly.restyle(div, cut, traces);
      const text = 'step ' + step + ' of ' + last + ' · ' + describe(step).join(' · ');
      output.textContent = text;
      slider.setAttribute('aria-valuetext', text);
    } while (step !== Number(slider.value));
    busy = false;
  }
  function stop() {
    cancelAnimationFrame(frame);
    frame = 0;
    button.textContent = 'Play';
  }
  function play() {
    if (Number(slider.value) === last) slider.value = 0;
    const start = performance.now() - (Number(slider.value) / last) * ${playingTime} * 1000;
    button.textContent = 'Pause';
    const advance = (now) => {
      slider.value = Math.min(last, Math.floor((last * (now - start)) / (${playingTime} * 1000)));
      show();
      if (Number(slider.value) < last) frame = requestAnimationFrame(advance);
      else stop();
    };
    frame = requestAnimationFrame(advance);
  }
  const heed = () => {
    button.hidden = still.matches;
    if (still.matches) stop();
  };
  still.addEventListener('change', heed);
  heed();
  form.addEventListener('submit', (event) => event.preventDefault());
  button.addEventListener('click', () => (frame === 0 ? play() : stop()));
  slider.addEventListener('input', () => {
    stop();
    show();
  });
  show();
});
`;
