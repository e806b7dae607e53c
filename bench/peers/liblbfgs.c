// libLBFGS on the quadratic of bench/overhead.js: prints the seconds of each iteration beyond f.
#include <lbfgs.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

static double inside, last;
static double *curvatures;

static lbfgsfloatval_t evaluate(void *instance, const lbfgsfloatval_t *x, lbfgsfloatval_t *g, const int n,
                                const lbfgsfloatval_t step) {
  (void)instance, (void)step;
  const double start = seconds();
  double f = 0;
  for (int i = 0; i < n; i++) {
    g[i] = curvatures[i] * (x[i] - 1);
    f += 0.5 * g[i] * (x[i] - 1);
  }
  inside += seconds() - start;
  return f;
}

static int progress(void *instance, const lbfgsfloatval_t *x, const lbfgsfloatval_t *g, const lbfgsfloatval_t f,
                    const lbfgsfloatval_t xnorm, const lbfgsfloatval_t gnorm, const lbfgsfloatval_t step, int n,
                    int k, int evaluations) {
  (void)instance, (void)x, (void)g, (void)f, (void)xnorm, (void)gnorm, (void)step, (void)n, (void)k;
  (void)evaluations;
  const double now = seconds();
  printf("%.9f\n", now - last - inside);
  last = now;
  inside = 0;
  return 0;
}

int main(int argc, char **argv) {
  const int n = atoi(argv[1]);
  lbfgs_parameter_t options;
  lbfgs_parameter_init(&options);
  options.m = 10;
  options.epsilon = 0;
  options.max_iterations = argc > 2 ? atoi(argv[2]) : 40;
  curvatures = malloc(n * sizeof *curvatures);
  lbfgsfloatval_t *x = lbfgs_malloc(n);
  for (int i = 0; i < n; i++) {
    curvatures[i] = pow(10, 4.0 * i / n);
    x[i] = 0;
  }
  last = seconds();
  lbfgs(n, x, NULL, evaluate, progress, NULL, &options);
  return 0;
}
