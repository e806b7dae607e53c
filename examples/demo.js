// Runs six of the examples in a few minutes: `npm run demo`. Figures go to out/.
const start = performance.now();
await import('./01-sine.js');
await import('./02-digits.js');
await import('./03-onnx-digits.js');
await import('./04-onnx-fine-tune.js');
await import('./05-onnx-pinn.js');
await import('./10-landscape-sine.js');
console.log(`\nDone in ${Math.round((performance.now() - start) / 1000)} s. The figures are in out/.`);
