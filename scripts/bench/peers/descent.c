/* Gradient descent on functions of two variables, as fast as a CPU does it: see c.py.

   A vector holds 16 runs that began together, so one counter of steps serves them all and the loop
   carries no masks: a run that ends is written out at once, and what its place computes afterwards
   is not looked at. A block ends when its 16 runs have; the next block takes its place. BLOCKS
   independent ones are interleaved, since the steps of one wait for each other.

   The hot test is one that no running run passes by mistake; what it finds is tested again, exactly
   and in the order of the contract, in a function that is rarely called. */

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE__)
#include <immintrin.h>
#endif

enum { LANES = 16, BLOCKS = 3, MOST_THREADS = 256 };
enum { RUNNING, INVALID_START, NONFINITE_VALUE, NONFINITE_GRADIENT, NONFINITE_POINT, ESCAPED,
       GRAD_TOL, MAX_STEPS = 10 }; /* gdexp.base.Reason */

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

struct job {
  long count, max_steps;
  float grad_tol, escape_radius;
  const float *x0, *y0, *rate;
  float *x, *y, *f, *best, *norm;
  int32_t *steps, *reason;
  atomic_long next; /* the first run of the next block */
};

struct state { /* of a block: a point, and what is known there */
  vec x, y, f, gx, gy, best;
};

#define INLINE static inline __attribute__((always_inline))

INLINE vec all(float a) { return (vec){0} + a; }
INLINE vec absolute(vec a) { return (vec)((ivec)a & 0x7fffffff); }

/* The lanes of `alive` that may have ended: not low < n2 < high, |f| < inf, |x|, |y| <= bound. */
INLINE unsigned suspicious(unsigned alive, vec f, vec n2, vec x, vec y, vec low, vec high,
                           vec bound) {
#if defined(__AVX512DQ__)
  /* range: the greater magnitude; fpclass: infinities and NaNs */
  __m512 far = _mm512_range_ps((__m512)x, (__m512)y, 0x0b);
  __mmask16 fine = _mm512_cmp_ps_mask((__m512)n2, (__m512)low, _CMP_GT_OQ) &
                   _mm512_cmp_ps_mask((__m512)n2, (__m512)high, _CMP_LT_OQ) &
                   _mm512_cmp_ps_mask(far, (__m512)bound, _CMP_LE_OQ);
  return alive & ((unsigned)_mm512_fpclass_ps_mask((__m512)f, 0x99) | ~(unsigned)fine);
#else
  ivec fine = (n2 > low) & (n2 < high) & (absolute(f) < all(INFINITY)) & (absolute(x) <= bound) &
              (absolute(y) <= bound);
  unsigned bits = 0;
  for (int i = 0; i < LANES; i++) bits |= (unsigned)(fine[i] & 1) << i;
  return alive & ~bits;
#endif
}

INLINE vec least(vec a, vec b) { /* b where a is NaN */
#if defined(__AVX512F__)
  return (vec)_mm512_min_ps((__m512)a, (__m512)b);
#else
  ivec less = a < b;
  return (vec)(((ivec)a & less) | ((ivec)b & ~less));
#endif
}

/* cos(2πx) and sin(2πx) by Taylor's polynomials within a quarter turn of a multiple of π, wrong by
   less than 2e-7; the rest of 2x is exact here, as it is not where 2πx is formed first. */
INLINE void turn(vec x, vec *cosine, vec *sine) {
  vec u = x + x;
  vec shifted = u + 12582912.0f; /* 1.5 · 2^23: its last bits are u, rounded */
  vec n = shifted - 12582912.0f, r = u - n, s = r * r;
  ivec sign = (ivec)shifted << 31;
  vec c = 1.0f + s * (-4.9348022f + s * (4.0587121f + s * (-1.3352624f + s * (0.23533063f +
          s * (-0.025806887f + s * 0.0019295743f)))));
  vec o = r * (3.1415927f + s * (-5.1677128f + s * (2.5501640f + s * (-0.59926453f +
          s * (0.082145887f + s * -0.0073704309f)))));
  *cosine = (vec)((ivec)c ^ sign);
  *sine = (vec)((ivec)o ^ sign);
}

INLINE void paraboloid(vec x, vec y, vec *f, vec *gx, vec *gy) {
  vec a = x - 1, b = y + 1;
  *f = a * a + 4 * b * b + 0.5f * x * y;
  *gx = 2 * a + 0.5f * y;
  *gy = 8 * b + 0.5f * x;
}

INLINE void two_wells(vec x, vec y, vec *f, vec *gx, vec *gy) {
  vec a = x + 1, b = y + 1, c = x - 3, d = y - 3;
  vec one = a * a + b * b, two = c * c + d * d + 1;
  *f = one * two;
  vec p = one + one, q = two + two;
  *gx = a * q + c * p;
  *gy = b * q + d * p;
}

INLINE void rastrigin(vec x, vec y, vec *f, vec *gx, vec *gy) {
  vec cx, sx, cy, sy;
  turn(x, &cx, &sx);
  turn(y, &cy, &sy);
  *f = x * x + y * y + 10 * (1 - cx) + 10 * (1 - cy);
  *gx = 2 * x + 62.831853f * sx;
  *gy = 2 * y + 62.831853f * sy;
}

typedef void function(vec, vec, vec *, vec *, vec *);

/* Why a lane ends at `now`, by the contract; RUNNING if it does not. */
static int why(const struct job *job, const struct state *now, int i, float bound, long steps) {
  float gx = now->gx[i], gy = now->gy[i], x = now->x[i], y = now->y[i];
  float norm = (float)sqrt((double)gx * gx + (double)gy * gy);
  int point = isfinite(x) && isfinite(y);
  if (steps == 0 && !(isfinite(now->f[i]) && isfinite(norm) && point)) return INVALID_START;
  if (!isfinite(now->f[i])) return NONFINITE_VALUE;
  if (!isfinite(norm)) return NONFINITE_GRADIENT;
  if (!point) return NONFINITE_POINT;
  if (fabsf(x) > bound || fabsf(y) > bound) return ESCAPED;
  if (norm <= job->grad_tol) return GRAD_TOL;
  return steps >= job->max_steps ? MAX_STEPS : RUNNING;
}

/* Writes the lanes of `bits` that have ended, and returns those of `alive` that have not. */
static __attribute__((noinline)) unsigned harvest(const struct job *job, unsigned bits,
                                                  unsigned alive, const struct state *old,
                                                  const struct state *now, const vec *bound,
                                                  long steps, long first) {
  for (; bits; bits &= bits - 1) {
    int i = __builtin_ctz(bits), reason = why(job, now, i, (*bound)[i], steps);
    if (reason == RUNNING) continue;
    const struct state *kept = reason >= NONFINITE_VALUE && reason <= NONFINITE_POINT ? old : now;
    float gx = kept->gx[i], gy = kept->gy[i];
    long run = first + i;
    job->x[run] = kept->x[i];
    job->y[run] = kept->y[i];
    job->f[run] = kept->f[i];
    job->best[run] = kept->best[i];
    job->norm[run] = (float)sqrt((double)gx * gx + (double)gy * gy);
    job->steps[run] = (int32_t)steps;
    job->reason[run] = reason;
    alive &= ~(1u << i);
  }
  return alive;
}

/* The next block of which a run does not end at its start; 0 when there is none. */
INLINE unsigned begin(struct job *job, function value_and_gradient, struct state *now, vec *rate,
                      vec *bound, long *first) {
  for (;;) {
    long at = atomic_fetch_add(&job->next, LANES);
    if (at >= job->count) return 0;
    long left = job->count - at;
    float x[LANES], y[LANES], r[LANES], b[LANES];
    for (long i = 0; i < LANES; i++) {
      long run = at + (i < left ? i : 0);
      x[i] = job->x0[run];
      y[i] = job->y0[run];
      r[i] = job->rate[run];
      b[i] = job->escape_radius * (1 + fmaxf(fabsf(x[i]), fabsf(y[i])));
    }
    memcpy(&now->x, x, sizeof x);
    memcpy(&now->y, y, sizeof y);
    memcpy(rate, r, sizeof r);
    memcpy(bound, b, sizeof b);
    value_and_gradient(now->x, now->y, &now->f, &now->gx, &now->gy);
    now->best = now->f;
    unsigned alive = left < LANES ? (1u << left) - 1 : 0xffffu;
    alive = harvest(job, alive, alive, now, now, bound, 0, at);
    *first = at;
    if (alive) return alive;
  }
}

INLINE void work(struct job *job, function value_and_gradient, int momentum) {
  vec low = all(job->grad_tol > 0 ? job->grad_tol * job->grad_tol * 1.00001f : -1.0f);
  vec high = all(1e38f);
  struct state now[BLOCKS] = {0};
  vec rate[BLOCKS], bound[BLOCKS], vx[BLOCKS], vy[BLOCKS];
  long first[BLOCKS], steps[BLOCKS];
  unsigned alive[BLOCKS], busy = 0;
#pragma GCC unroll 8
  for (int b = 0; b < BLOCKS; b++) {
    struct state fresh = now[b]; /* copies: what has an address does not stay in registers */
    vec r = all(0), limit = all(0);
    long at = 0;
    alive[b] = begin(job, value_and_gradient, &fresh, &r, &limit, &at);
    busy |= alive[b];
    now[b] = fresh;
    rate[b] = r;
    bound[b] = limit;
    first[b] = at;
    vx[b] = vy[b] = all(0);
    steps[b] = 0;
  }
  while (busy) {
    busy = 0;
#pragma GCC unroll 8
    for (int b = 0; b < BLOCKS; b++) {
      struct state new;
      vx[b] = momentum ? 0.9f * vx[b] + now[b].gx : now[b].gx;
      vy[b] = momentum ? 0.9f * vy[b] + now[b].gy : now[b].gy;
      new.x = now[b].x - rate[b] * vx[b];
      new.y = now[b].y - rate[b] * vy[b];
      value_and_gradient(new.x, new.y, &new.f, &new.gx, &new.gy);
      new.best = least(new.f, now[b].best);
      vec n2 = new.gx * new.gx + new.gy * new.gy;
      unsigned bits = suspicious(alive[b], new.f, n2, new.x, new.y, low, high, bound[b]);
      steps[b]++;
      if (__builtin_expect(steps[b] >= job->max_steps, 0)) bits = alive[b];
      if (__builtin_expect(bits, 0)) {
        struct state before = now[b], after = new;
        vec limit = bound[b];
        alive[b] = harvest(job, bits, alive[b], &before, &after, &limit, steps[b], first[b]);
        if (!alive[b]) {
          struct state fresh = after;
          vec r = rate[b];
          long at = first[b];
          alive[b] = begin(job, value_and_gradient, &fresh, &r, &limit, &at);
          new = fresh;
          rate[b] = r;
          bound[b] = limit;
          first[b] = at;
          vx[b] = vy[b] = all(0);
          steps[b] = alive[b] ? 0 : -job->max_steps; /* an empty place is never looked at again */
        }
      }
      now[b] = new;
      busy |= alive[b];
    }
  }
}

struct order {
  struct job *job;
  int function, momentum;
};

static void *thread(void *argument) {
  struct order *order = argument;
#if defined(__SSE__)
  _mm_setcsr(_mm_getcsr() | 0x8040); /* flush denormals, as XLA does */
#endif
#define CASE(number, name)                                            \
  case 2 * number: work(order->job, name, 0); break;                  \
  case 2 * number + 1: work(order->job, name, 1); break;
  switch (2 * order->function + order->momentum) {
    CASE(0, paraboloid)
    CASE(1, two_wells)
    CASE(2, rastrigin)
  }
  return 0;
}

void descend(int function, int momentum, long count, int max_steps, float grad_tol,
             float escape_radius, int threads, const float *x0, const float *y0,
             const float *rate, float *x, float *y, float *f, float *best, float *norm,
             int32_t *steps, int32_t *reason) {
  struct job job = {count, max_steps, grad_tol, escape_radius, x0,   y0,    rate,
                    x,     y,         f,        best,          norm, steps, reason};
  struct order order = {&job, function, momentum};
  pthread_t started[MOST_THREADS];
  if (threads > MOST_THREADS) threads = MOST_THREADS;
  for (int i = 1; i < threads; i++) pthread_create(&started[i], 0, thread, &order);
  thread(&order);
  for (int i = 1; i < threads; i++) pthread_join(started[i], 0);
}
