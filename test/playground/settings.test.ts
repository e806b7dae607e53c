import { describe, expect, it } from 'vitest';
import { sine, spirals, table } from '../../playground/data.js';
import { defaults, fromHash, toHash } from '../../playground/settings.js';

describe('the address of the playground', () => {
  it('says nothing of settings that are the defaults', () => {
    expect(toHash(defaults())).toBe('');
    expect(fromHash('')).toEqual(defaults());
  });

  it('holds all others, and gives them back', () => {
    const settings = {
      data: 'spirals',
      layers: '3',
      units: '8',
      activation: 'relu',
      solvers: ['soap', 'ssbroyden'],
      rate: '0.1',
      evaluations: '300',
      seed: '42',
      backend: 'onnx',
    };
    expect(fromHash(`#${toHash(settings)}`)).toEqual(settings);
  });

  it('means the defaults where it is wrong', () => {
    const wrong = '#data=moon&units=1000&solvers=none&seed=-3&backend=__proto__&rate=toString';
    expect(fromHash(wrong)).toEqual(defaults());
  });
});

describe('data of the playground', () => {
  it('are as many as they say', () => {
    for (const { samples, inputs, x, y } of [sine(), spirals()]) {
      expect(x.length).toBe(samples * inputs);
      expect(y.length).toBe(samples);
    }
  });

  it('are scaled columns of a table, the last being the target unless another is named', () => {
    const text = 'a,b,c\n1,10,x\n2,10,y\n3,10,x\n';
    const classes = table(text);
    expect(classes).toMatchObject({ kind: 'classes', inputs: 2, outputs: 2, names: ['x', 'y'] });
    expect([...classes.y]).toEqual([0, 1, 0]);
    const scaled = Math.sqrt(1.5);
    expect([...classes.x].map((value) => Math.fround(value))).toEqual(
      [-scaled, 0, 0, 0, scaled, 0].map(Math.fround),
    );
    const numbers = table('a,b\n1,5\n3,7\n', 'a');
    expect(numbers).toMatchObject({ kind: 'numbers', inputs: 1, outputs: 1 });
    expect([...numbers.y]).toEqual([-1, 1]);
  });

  it('refuse a table that cannot be learned from, in a sentence', () => {
    expect(() => table('a,b\n1,2\n')).toThrow('a header and two rows');
    expect(() => table('a\n1\n2\n')).toThrow('one to predict it from');
    expect(() => table('a,b\n1,2\nx,3\n')).toThrow('Line 3, column "a": "x" is not a number');
    expect(() => table('a,b\n1,2\n3,4\n', 'c')).toThrow('no column "c"');
  });
});
