import { hagerZhang, lbfgs, staticStep } from 'quasi-newton';

/** L-BFGS as Optim.jl 2.2 has it by default, made of our parts: a check of the comparison itself. */
export const likeOptim = lbfgs({
  memory: 10,
  lineSearch: hagerZhang(),
  initialStep: staticStep(1),
  modifiedSecant: false,
});
