// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Bilinear upsampling of class scores, and per pixel the best class or its softmax probability,
// without ever holding the upsampled scores. upsample_argmax.py is the other half: it prepares the
// axes, spreads the work over threads, and says what is computed.
//
// The output is cut into cells: the pixels between the same four neighbouring nodes of the coarse
// grid. Bilinear interpolation makes every pixel of a cell a convex combination of its four corners:
//
//   1. Where one class is the best at all four corners, it is the best everywhere in the cell.
//   2. Elsewhere, let `floor` be the largest, over the classes, of a class's smallest corner score.
//      A class whose largest corner score is below that can win nowhere in the cell: only the
//      others are interpolated, about three of nineteen on a street.
//
// Both hold for real numbers. In floating point, interpolation keeps the order of two scores but
// may make equal what was nearly equal, and then the class with the lower id wins. So both are only
// applied where the scores differ by more than CLOSE, far above what rounding can do.
//
// The arithmetic is that of torch's interpolate on contiguous CPU tensors, operation by operation,
// fused multiply-add included, so that the labels are the same to the last pixel. It must be
// compiled with -ffp-contract=off, which leaves the choice of what is fused to this file.

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 16         // pixels of a row that are computed together: one AVX-512 register
#define MAX_CLASSES 255  // ids 0 to 254, for 255 marks a node without a clear winner
#define UNCLEAR 255
#define CLOSE 0x1p-19f  // relative; interpolation of one score is off by less than 4 * 2^-24

#define ALWAYS_INLINE static inline __attribute__((always_inline))

// One axis. A run is a stretch of output pixels between the same two nodes.
struct axis {
  const int32_t *lower;         // [runs] node before the pixels of the run
  const int32_t *upper;         // [runs] node after them; the same at the end of the grid
  const int32_t *start;         // [runs + 1] first pixel of each run; the last is the output size
  const float *lower_weight;    // [pixels + LANES]
  const float *upper_weight;    // [pixels + LANES]
  int32_t runs;
};

struct job {
  const float *scores;  // (grid height, grid_width, classes)
  int32_t grid_width;
  int32_t classes;
  struct axis x, y;
  uint8_t *output;  // (output height, output width)
  uint8_t *winners;  // scratch of argmax: 2 * grid_width for each job
};

// The scores of all classes at the four corners of a cell.
struct corners {
  const float *top_left, *top_right, *bottom_left, *bottom_right;
};

ALWAYS_INLINE float interpolate(float lower, float lower_weight, float upper, float upper_weight,
                                bool fused) {
  const float product = upper * upper_weight;
  return fused ? __builtin_fmaf(lower, lower_weight, product) : lower * lower_weight + product;
}

ALWAYS_INLINE float smaller(float a, float b) { return a < b ? a : b; }
ALWAYS_INLINE float larger(float a, float b) { return a > b ? a : b; }

ALWAYS_INLINE struct corners corners_of(const struct job *job, int row, int column) {
  const ptrdiff_t stride = (ptrdiff_t)job->grid_width * job->classes;
  const float *top = job->scores + job->y.lower[row] * stride;
  const float *bottom = job->scores + job->y.upper[row] * stride;
  const ptrdiff_t left = (ptrdiff_t)job->x.lower[column] * job->classes;
  const ptrdiff_t right = (ptrdiff_t)job->x.upper[column] * job->classes;
  return (struct corners){top + left, top + right, bottom + left, bottom + right};
}

// Scores interpolated along x at the top and the bottom of a cell, for LANES pixels from x.
struct edges {
  float top[MAX_CLASSES][LANES], bottom[MAX_CLASSES][LANES];
};

ALWAYS_INLINE void interpolate_edges(const struct job *job, const struct corners *corner,
                                     const uint8_t *ids, int count, int x, struct edges *edges,
                                     bool fused) {
  const float *left = job->x.lower_weight + x, *right = job->x.upper_weight + x;
  for (int k = 0; k < count; k++) {
    const int id = ids[k];
    const float top_left = corner->top_left[id], top_right = corner->top_right[id];
    const float bottom_left = corner->bottom_left[id], bottom_right = corner->bottom_right[id];
    for (int j = 0; j < LANES; j++) {
      edges->top[k][j] = interpolate(top_left, left[j], top_right, right[j], fused);
      edges->bottom[k][j] = interpolate(bottom_left, left[j], bottom_right, right[j], fused);
    }
  }
}

// Cells are drawn from left to right, so LANES pixels may run over into the next cell, but not
// over the end of the row.
ALWAYS_INLINE void store(const int32_t *values, uint8_t *row, int x, int end, int width) {
  uint8_t bytes[LANES];
  for (int j = 0; j < LANES; j++) bytes[j] = (uint8_t)values[j];
  if (x + LANES <= width)
    memcpy(row + x, bytes, LANES);
  else
    memcpy(row + x, bytes, end - x);
}

// ---- argmax ----

// Per node of a row of the grid, the class that is ahead of all lower ids by more than rounding
// can take back, or UNCLEAR.
ALWAYS_INLINE void find_winners(const float *scores, int nodes, int classes, uint8_t *winners) {
  for (int node = 0; node < nodes; node++, scores += classes) {
    float best = scores[0], before = -FLT_MAX;  // before: the best of the ids below the winner
    int winner = 0;
    for (int id = 1; id < classes; id++) {
      const bool better = scores[id] > best;
      before = better ? best : before;
      best = better ? scores[id] : best;
      winner = better ? id : winner;
    }
    const float margin = CLOSE * larger(fabsf(best), fabsf(before));
    winners[node] = best - before > margin ? winner : UNCLEAR;
  }
}

// The classes, in order, that can win somewhere in a cell; returns how many.
ALWAYS_INLINE int find_candidates(const struct corners *corner, int classes, uint8_t *ids) {
  float highest[MAX_CLASSES];
  float floor = -FLT_MAX;
  for (int id = 0; id < classes; id++) {
    const float a = corner->top_left[id], b = corner->top_right[id];
    const float c = corner->bottom_left[id], d = corner->bottom_right[id];
    highest[id] = larger(larger(a, b), larger(c, d));
    floor = larger(floor, smaller(smaller(a, b), smaller(c, d)));
  }
  floor -= 2 * CLOSE * fabsf(floor) + FLT_MIN;
  int count = 0;
  for (int id = 0; id < classes; id++) {
    ids[count] = id;
    count += !(highest[id] < floor);
  }
  return count;
}

ALWAYS_INLINE void draw_labels(const struct job *job, int row, int column, bool fused) {
  const struct corners corner = corners_of(job, row, column);
  uint8_t ids[MAX_CLASSES + 1];
  const int count = find_candidates(&corner, job->classes, ids);
  const int width = job->x.start[job->x.runs];
  const int end = job->x.start[column + 1];
  struct edges edges;
  for (int x = job->x.start[column]; x < end; x += LANES) {
    interpolate_edges(job, &corner, ids, count, x, &edges, fused);
    for (int y = job->y.start[row]; y < job->y.start[row + 1]; y++) {
      const float top = job->y.lower_weight[y], bottom = job->y.upper_weight[y];
      float best[LANES];
      int32_t label[LANES];
      for (int j = 0; j < LANES; j++) {
        best[j] = interpolate(edges.top[0][j], top, edges.bottom[0][j], bottom, fused);
        label[j] = ids[0];
      }
      for (int k = 1; k < count; k++) {
        const int32_t id = ids[k];
        for (int j = 0; j < LANES; j++) {
          const float score =
              interpolate(edges.top[k][j], top, edges.bottom[k][j], bottom, fused);
          const bool better = score > best[j];
          best[j] = better ? score : best[j];
          label[j] = better ? id : label[j];
        }
      }
      store(label, job->output + (ptrdiff_t)y * width, x, end, width);
    }
  }
}

ALWAYS_INLINE void argmax_rows(const struct job *job, int first, int last, bool fused) {
  const ptrdiff_t stride = (ptrdiff_t)job->grid_width * job->classes;
  const int width = job->x.start[job->x.runs];
  uint8_t *above = job->winners, *below = job->winners + job->grid_width;
  int node_row = -1;  // whose winners `below` holds
  for (int row = first; row < last; row++) {
    const int lower = job->y.lower[row], upper = job->y.upper[row];
    if (node_row == lower) {
      uint8_t *swap = above;
      above = below;
      below = swap;
    } else {
      find_winners(job->scores + lower * stride, job->grid_width, job->classes, above);
    }
    find_winners(job->scores + upper * stride, job->grid_width, job->classes, below);
    node_row = upper;

    for (int column = 0; column < job->x.runs;) {
      // As many cells as have the same winner at all their corners are filled in one go.
      const uint8_t winner = above[job->x.lower[column]];
      int stop = column;
      while (stop < job->x.runs && winner != UNCLEAR &&
             above[job->x.lower[stop]] == winner && above[job->x.upper[stop]] == winner &&
             below[job->x.lower[stop]] == winner && below[job->x.upper[stop]] == winner)
        stop++;
      if (stop == column) {
        draw_labels(job, row, column++, fused);
        continue;
      }
      const int x = job->x.start[column], end = job->x.start[stop];
      for (int y = job->y.start[row]; y < job->y.start[row + 1]; y++)
        memset(job->output + (ptrdiff_t)y * width + x, winner, end - x);
      column = stop;
    }
  }
}

// ---- confidence ----

// exp(x) for x <= 0, relative error below 4e-6. Below -80 it stays at exp(-80).
ALWAYS_INLINE float exp_of_negative(float x) {
  const float power = larger(x, -80.0f) * 1.44269504f;  // exp(x) = 2^power
  const int32_t whole = (int32_t)(power - 0.5f);
  const float t = (power - (float)whole) * 0.69314718f;  // within +-0.35: Taylor will do
  const float series =
      1 + t * (1 + t * (1 / 2.f + t * (1 / 6.f + t * (1 / 24.f + t * (1 / 120.f)))));
  union {
    int32_t bits;
    float value;
  } scale = {.bits = (whole + 127) << 23};
  return series * scale.value;
}

// The softmax of the best class is 1 / sum(exp(score - best score)).
ALWAYS_INLINE void draw_confidence(const struct job *job, int row, int column, bool fused) {
  const struct corners corner = corners_of(job, row, column);
  uint8_t ids[MAX_CLASSES];
  for (int id = 0; id < job->classes; id++) ids[id] = id;
  const int width = job->x.start[job->x.runs];
  const int end = job->x.start[column + 1];
  struct edges edges;
  for (int x = job->x.start[column]; x < end; x += LANES) {
    interpolate_edges(job, &corner, ids, job->classes, x, &edges, fused);
    for (int y = job->y.start[row]; y < job->y.start[row + 1]; y++) {
      const float top = job->y.lower_weight[y], bottom = job->y.upper_weight[y];
      float best[LANES], sum[LANES];
      int32_t confidence[LANES];
      for (int j = 0; j < LANES; j++) best[j] = -FLT_MAX;
      for (int k = 0; k < job->classes; k++)
        for (int j = 0; j < LANES; j++)
          best[j] = larger(
              best[j], interpolate(edges.top[k][j], top, edges.bottom[k][j], bottom, fused));
      for (int j = 0; j < LANES; j++) sum[j] = 0;
      for (int k = 0; k < job->classes; k++)
        for (int j = 0; j < LANES; j++)
          sum[j] += exp_of_negative(
              interpolate(edges.top[k][j], top, edges.bottom[k][j], bottom, fused) - best[j]);
      for (int j = 0; j < LANES; j++) confidence[j] = (int32_t)(255 / sum[j] + 0.5f);
      store(confidence, job->output + (ptrdiff_t)y * width, x, end, width);
    }
  }
}

ALWAYS_INLINE void confidence_rows(const struct job *job, int first, int last, bool fused) {
  for (int row = first; row < last; row++)
    for (int column = 0; column < job->x.runs; column++)
      draw_confidence(job, row, column, fused);
}

// ---- what Python calls: rows of cells, first to last - 1; built for every generation of CPU ----

#if defined(__x86_64__)
#define FOR_EVERY_CPU(name, rows)                                                              \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx2,fma"))) static void name##_avx512(     \
      const struct job *job, int first, int last) {                                            \
    rows(job, first, last, true);                                                              \
  }                                                                                            \
  __attribute__((target("avx2,fma"))) static void name##_avx2(const struct job *job,           \
                                                              int first, int last) {           \
    rows(job, first, last, true);                                                              \
  }                                                                                            \
  void name(const struct job *job, int first, int last) {                                      \
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))              \
      name##_avx512(job, first, last);                                                         \
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                  \
      name##_avx2(job, first, last);                                                           \
    else                                                                                       \
      rows(job, first, last, false);                                                           \
  }
#else
#if defined(__FP_FAST_FMAF)
#define HAS_FMA true
#else
#define HAS_FMA false
#endif
#define FOR_EVERY_CPU(name, rows) \
  void name(const struct job *job, int first, int last) { rows(job, first, last, HAS_FMA); }
#endif

FOR_EVERY_CPU(upsample_argmax, argmax_rows)
FOR_EVERY_CPU(upsample_confidence, confidence_rows)
