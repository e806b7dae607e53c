// A worker of the queue benchmark: shards whose evaluation costs almost nothing, or tiles of an equally cheap landscape.
import { serveLandscape, serveProblem } from 'quasi-newton/bullmq';

const [connection, queue, serves, n] = process.argv.slice(2);

const problem = {
  p0: new Float64Array(Number(n)).fill(0.1),
  /** @type {import('quasi-newton').Objective} */
  fg(x, gradient) {
    // Uses all digits, so that no element fits into float32.
    if (gradient !== null) for (let i = 0; i < x.length; i++) gradient[i] = 0.1 + x[i];
    return x[0];
  },
};
const options = { connection, queue };
const worker = await (serves === 'tiles'
  ? serveLandscape(problem, options)
  : serveProblem(() => problem, options));
process.send?.('up');
const orphaned = () => process.exit(1);
process.once('disconnect', orphaned);
process.once('message', () => {
  process.off('disconnect', orphaned);
  void worker.close().then(() => process.disconnect());
});
