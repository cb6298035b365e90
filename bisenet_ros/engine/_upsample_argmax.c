// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Upsamples class scores bilinearly and finds, per pixel, the best class or its softmax
// probability, without ever storing the upsampled scores. upsample_argmax.py prepares the axes and
// defines what is computed.
//
// The output is cut into cells: the pixels between the same four neighbouring nodes of the coarse
// grid. Bilinear interpolation makes every pixel of a cell a convex combination of its four corners:
//
//   1. Where one class is the best at all four corners, it is the best everywhere in the cell.
//   2. Elsewhere, let `floor` be the largest, over the classes, of a class's smallest corner score.
//      A class whose largest corner score is below that cannot win anywhere in the cell. Only the
//      others are interpolated, about three of nineteen on a street.
//
// Both hold for real numbers. In floating point, interpolation keeps the order of two scores but
// may make nearly equal scores equal, and then the class with the lower id wins. So both are
// applied only where the scores differ by more than CLOSE, far above any rounding error.
//
// The arithmetic is that of torch's interpolate on contiguous CPU tensors, operation by operation,
// including fused multiply-add, so that the labels are identical. This file must be compiled with
// -ffp-contract=off, so that it alone decides what is fused.
//
// _upsample_cells.h draws the pixels. It is built once for each vector instruction set.

#include "_tasks.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MAX_CLASSES 255  // ids 0 to 254; 255 marks a node without a clear winner
#define UNCLEAR 255
#define CLOSE 0x1p-19f  // relative; interpolation of one score is off by less than 4 * 2^-24

#define ALWAYS_INLINE static inline __attribute__((always_inline))

// One axis. A run is a sequence of output pixels between the same two nodes.
struct axis {
  const int32_t *lower;       // [runs] node before the pixels of the run
  const int32_t *upper;       // [runs] node after them; the same at the end of the grid
  const int32_t *start;       // [runs + 1] first pixel of each run; the last is the output size
  const float *lower_weight;  // [pixels + 16], so that vectors may be read at the last pixel
  const float *upper_weight;  // [pixels + 16]
  int32_t runs;
};

struct job {
  const float *scores;  // (grid height, grid_width, classes)
  int32_t grid_width;
  int32_t classes;
  struct axis x, y;
  uint8_t *output;        // (output height, output width)
  uint8_t *winners;       // scratch of argmax: 2 * grid_width for each thread
  int32_t rows_per_task;  // rows of cells
  int32_t lanes;          // floats in a vector that may be used: 16 with AVX-512, 8 with AVX2, or 4
};

// The scores of all classes at the four corners of a cell.
struct corners {
  const float *top_left, *top_right, *bottom_left, *bottom_right;
};

ALWAYS_INLINE float smaller(float a, float b) { return a < b ? a : b; }
ALWAYS_INLINE float larger(float a, float b) { return a > b ? a : b; }

static struct corners corners_of(const struct job *job, int row, int column) {
  const ptrdiff_t stride = (ptrdiff_t)job->grid_width * job->classes;
  const float *top = job->scores + job->y.lower[row] * stride;
  const float *bottom = job->scores + job->y.upper[row] * stride;
  const ptrdiff_t left = (ptrdiff_t)job->x.lower[column] * job->classes;
  const ptrdiff_t right = (ptrdiff_t)job->x.upper[column] * job->classes;
  return (struct corners){top + left, top + right, bottom + left, bottom + right};
}

// Finds the classes, in order, that can win somewhere in a cell; returns how many.
static int find_candidates(const struct corners *corner, int classes, uint8_t *ids) {
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
    ids[count] = (uint8_t)id;
    count += !(highest[id] < floor);
  }
  return count;
}

// ---- drawing cells, for each instruction set ----

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES 16
#define FOR_CPU(name) name##_avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))
#define MULTIPLY_ADD(a, b, c) ((floats)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#include "_upsample_cells.h"

#define LANES 8
#define FOR_CPU(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define MULTIPLY_ADD(a, b, c) ((floats)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#include "_upsample_cells.h"
#endif

#define LANES 4
#define FOR_CPU(name) name##_any
#define TARGET
#if defined(__aarch64__)
#include <arm_neon.h>
#define MULTIPLY_ADD(a, b, c) \
  ((floats)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif
#include "_upsample_cells.h"

typedef void draw_cell(const struct job *job, int row, int column);

#if defined(__x86_64__)
#define FOR_LANES(name, lanes) \
  ((lanes) == 16 ? name##_avx512 : (lanes) == 8 ? name##_avx2 : name##_any)
#else
#define FOR_LANES(name, lanes) name##_any
#endif

// ---- the tasks: some rows of cells each ----

// Finds, for each node of a row of the grid, the best class, or UNCLEAR if its lead over lower ids
// may be lost to rounding.
static void find_winners(const struct job *job, int grid_row, uint8_t *winners) {
  const float *scores = job->scores + (ptrdiff_t)grid_row * job->grid_width * job->classes;
  for (int node = 0; node < job->grid_width; node++, scores += job->classes) {
    float best = scores[0], before = -FLT_MAX;  // before: the best of the ids below the winner
    int winner = 0;
    for (int id = 1; id < job->classes; id++) {
      const bool better = scores[id] > best;
      before = better ? best : before;
      best = better ? scores[id] : best;
      winner = better ? id : winner;
    }
    const float margin = CLOSE * larger(fabsf(best), fabsf(before));
    winners[node] = best - before > margin ? (uint8_t)winner : UNCLEAR;
  }
}

ALWAYS_INLINE int first_row(const struct job *job, int task) {
  const int row = task * job->rows_per_task;
  return row < job->y.runs ? row : job->y.runs;
}

void upsample_argmax(const void *argument, int task, int thread) {
  const struct job *job = argument;
  draw_cell *const draw_labels = FOR_LANES(draw_labels, job->lanes);
  const int width = job->x.start[job->x.runs];
  uint8_t *above = job->winners + (ptrdiff_t)thread * 2 * job->grid_width;
  uint8_t *below = above + job->grid_width;
  int row_of_below = -1;
  for (int row = first_row(job, task); row < first_row(job, task + 1); row++) {
    if (job->y.lower[row] == row_of_below) {
      uint8_t *const reused = below;
      below = above;
      above = reused;
    } else {
      find_winners(job, job->y.lower[row], above);
    }
    row_of_below = job->y.upper[row];
    find_winners(job, row_of_below, below);

    for (int column = 0; column < job->x.runs;) {
      // Neighbouring cells with the same winner at all corners are filled together.
      const uint8_t winner = above[job->x.lower[column]];
      int stop = column;
      while (stop < job->x.runs && winner != UNCLEAR &&
             above[job->x.lower[stop]] == winner && above[job->x.upper[stop]] == winner &&
             below[job->x.lower[stop]] == winner && below[job->x.upper[stop]] == winner)
        stop++;
      if (stop == column) {
        draw_labels(job, row, column++);
        continue;
      }
      const int x = job->x.start[column], end = job->x.start[stop];
      for (int y = job->y.start[row]; y < job->y.start[row + 1]; y++)
        memset(job->output + (ptrdiff_t)y * width + x, winner, end - x);
      column = stop;
    }
  }
}

void upsample_confidence(const void *argument, int task, int thread) {
  (void)thread;
  const struct job *job = argument;
  draw_cell *const draw_confidence = FOR_LANES(draw_confidence, job->lanes);
  for (int row = first_row(job, task); row < first_row(job, task + 1); row++)
    for (int column = 0; column < job->x.runs; column++) draw_confidence(job, row, column);
}
