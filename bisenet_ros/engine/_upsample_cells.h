// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Draws one cell of _upsample_argmax.c, LANES pixels of a row at a time. That file includes this
// one once per instruction set, with these macros:
//   LANES               floats in a vector
//   FOR_CPU(name)       the name of a function in this build
//   TARGET              the attribute that lets a function use the instruction set
//   MULTIPLY_ADD(a,b,c) a * b + c, rounded once if the instruction set can

#define floats FOR_CPU(floats)
#define ints FOR_CPU(ints)
#define bytes FOR_CPU(bytes)
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef uint8_t bytes __attribute__((vector_size(LANES)));

#define splat FOR_CPU(splat)
TARGET ALWAYS_INLINE floats splat(float value) { return value - (floats){0}; }

// mask: all bits of a lane are set to choose a, as comparisons set them.
#define choose FOR_CPU(choose)
TARGET ALWAYS_INLINE ints choose(ints mask, ints a, ints b) { return (mask & a) | (~mask & b); }

#define choose_larger FOR_CPU(choose_larger)
TARGET ALWAYS_INLINE floats choose_larger(floats a, floats b) {
  return (floats)choose(a > b, (ints)a, (ints)b);
}

#define interpolate FOR_CPU(interpolate)
TARGET ALWAYS_INLINE floats interpolate(floats lower, floats lower_weight, floats upper,
                                        floats upper_weight) {
  return MULTIPLY_ADD(lower, lower_weight, upper * upper_weight);
}

// Scores interpolated along x, at the top and the bottom of a cell.
#define edge FOR_CPU(edge)
struct edge {
  floats top, bottom;
};

// The edges of `count` classes, for LANES pixels from x.
#define interpolate_edges FOR_CPU(interpolate_edges)
TARGET ALWAYS_INLINE void interpolate_edges(const struct job *job, const struct corners *corner,
                                            const uint8_t *ids, int count, int x,
                                            struct edge *edges) {
  floats left, right;
  memcpy(&left, job->x.lower_weight + x, sizeof left);
  memcpy(&right, job->x.upper_weight + x, sizeof right);
  for (int k = 0; k < count; k++) {
    const int id = ids[k];
    edges[k].top =
        interpolate(splat(corner->top_left[id]), left, splat(corner->top_right[id]), right);
    edges[k].bottom =
        interpolate(splat(corner->bottom_left[id]), left, splat(corner->bottom_right[id]), right);
  }
}

// Cells are drawn from left to right, so a vector may extend into the next cell, but not past the
// end of the row.
#define store FOR_CPU(store)
TARGET ALWAYS_INLINE void store(ints values, uint8_t *row, int x, int end, int width) {
  const bytes packed = __builtin_convertvector(values, bytes);
  memcpy(row + x, &packed, x + LANES <= width ? LANES : end - x);
}

TARGET static void FOR_CPU(draw_labels)(const struct job *job, int row, int column) {
  const struct corners corner = corners_of(job, row, column);
  uint8_t ids[MAX_CLASSES];
  const int count = find_candidates(&corner, job->classes, ids);
  const int width = job->x.start[job->x.runs], end = job->x.start[column + 1];
  struct edge edges[MAX_CLASSES];
  for (int x = job->x.start[column]; x < end; x += LANES) {
    interpolate_edges(job, &corner, ids, count, x, edges);
    for (int y = job->y.start[row]; y < job->y.start[row + 1]; y++) {
      const floats top = splat(job->y.lower_weight[y]), bottom = splat(job->y.upper_weight[y]);
      floats best = interpolate(edges[0].top, top, edges[0].bottom, bottom);
      ints label = ids[0] - (ints){0};
      for (int k = 1; k < count; k++) {
        const floats score = interpolate(edges[k].top, top, edges[k].bottom, bottom);
        label = choose(score > best, ids[k] - (ints){0}, label);
        best = choose_larger(score, best);
      }
      store(label, job->output + (ptrdiff_t)y * width, x, end, width);
    }
  }
}

// exp(x) for x <= 0, relative error below 4e-6. Below -80 it stays at exp(-80).
#define exp_of_negative FOR_CPU(exp_of_negative)
TARGET ALWAYS_INLINE floats exp_of_negative(floats x) {
  const floats power = choose_larger(x, splat(-80)) * 1.44269504f;  // exp(x) = 2^power
  const ints whole = __builtin_convertvector(power - 0.5f, ints);   // rounded
  const floats t = (power - __builtin_convertvector(whole, floats)) * 0.69314718f;  // +-0.35
  const floats series =
      1 + t * (1 + t * (1 / 2.f + t * (1 / 6.f + t * (1 / 24.f + t * (1 / 120.f)))));
  return series * (floats)((whole + 127) << 23);  // 2^whole, from its bits
}

// The softmax of the best class is 1 / sum(exp(score - best score)).
TARGET static void FOR_CPU(draw_confidence)(const struct job *job, int row, int column) {
  const struct corners corner = corners_of(job, row, column);
  uint8_t ids[MAX_CLASSES];
  for (int id = 0; id < job->classes; id++) ids[id] = (uint8_t)id;
  const int width = job->x.start[job->x.runs], end = job->x.start[column + 1];
  struct edge edges[MAX_CLASSES];
  for (int x = job->x.start[column]; x < end; x += LANES) {
    interpolate_edges(job, &corner, ids, job->classes, x, edges);
    for (int y = job->y.start[row]; y < job->y.start[row + 1]; y++) {
      const floats top = splat(job->y.lower_weight[y]), bottom = splat(job->y.upper_weight[y]);
      floats best = interpolate(edges[0].top, top, edges[0].bottom, bottom);
      for (int k = 1; k < job->classes; k++)
        best = choose_larger(interpolate(edges[k].top, top, edges[k].bottom, bottom), best);
      floats sum = splat(0);
      for (int k = 0; k < job->classes; k++)
        sum += exp_of_negative(interpolate(edges[k].top, top, edges[k].bottom, bottom) - best);
      const ints confidence = __builtin_convertvector(255 / sum + 0.5f, ints);
      store(confidence, job->output + (ptrdiff_t)y * width, x, end, width);
    }
  }
}

#undef floats
#undef ints
#undef bytes
#undef splat
#undef choose
#undef choose_larger
#undef interpolate
#undef edge
#undef interpolate_edges
#undef store
#undef exp_of_negative
#undef LANES
#undef FOR_CPU
#undef TARGET
#undef MULTIPLY_ADD
