// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Computes 3x3 convolutions with fewer multiplications, alone or with the 1x1 convolution that ends
// a segmentation head. winograd.py transforms the weights.
//
// At stride 1, Winograd's F(4x4, 3x3) (Lavin and Gray 2016, section 4.1) computes the 4x4 outputs
// of a tile from its 6x6 inputs d and a filter g with 36 products instead of 144:
//
//   A' [(G g G') * (B' d B)] A,  summed over the channels of d before the transform with A.
//
// Each of the 36 is a matrix product, tiles x channels x channels. The points of interpolation are
// 0, +-1/sqrt(2), +-sqrt(2) and infinity. They cost the same as the paper's 0, +-1, +-2, and the
// rounding errors are a fifth.
//
// At stride 2, along an axis, the outer taps of a filter see every other input, and the middle tap
// sees those in between. F(3, 2) with the points 0, +-1 and infinity computes the part of the outer
// taps; one product per output computes that of the middle tap. This gives 3x3 outputs from 7x7
// inputs with 49 products instead of 81.
//
// Each step handles a block of tiles and 64 output channels. So intermediate results stay in the L2
// cache, and the wide features inside a head never exist as a whole. _winograd_block.h computes a
// block. It is built once for each vector instruction set.

#include "_tasks.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PANEL 64           // channels of the output at a time
#define MAX_CHANNELS 1024  // of the input

#define ALWAYS_INLINE static inline __attribute__((always_inline))

// A word is what is multiplied in one lane: one float, or two bf16 of neighbouring channels.
struct convolution {
  // By PANEL, by plane, by COLUMNS * LANES channels of the output: (in_words x COLUMNS * LANES).
  const int32_t *filters;
  const float *bias;       // [out]
  float floor;             // lower bound of the sums: 0 is ReLU
  int32_t in, out, stride;
};

// The 1x1 convolution after it.
struct classifier {
  const int32_t *weights;  // [out_words][lanes]
  const float *bias;       // [lanes]
  int32_t classes, lanes;  // lanes: classes rounded up to a multiple of LANES
};

struct job {
  const struct convolution *convolution;
  const struct classifier *classifier;  // at stride 1, or NULL; never NULL where a word is two bf16
  const float *input;                   // (input_height, input_width, in)
  float *output;                        // (height, width, classes), or (height, width, out)
  int32_t input_height, input_width, height, width;
  int32_t tiles;   // per block, which is a task; a multiple of ROWS
  float *scratch;  // winograd_scratch() floats for each thread
};

static const float outside[MAX_CHANNELS];  // the padding

ALWAYS_INLINE int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

// Inputs and outputs of a tile along an axis.
#define POINTS(stride) ((stride) == 1 ? 6 : 7)
#define TILE(stride) ((stride) == 1 ? 4 : 3)
#define MOST_POINTS 7
#define MOST_OUTPUTS 4

#define TILE_PIXELS 16  // outputs of a tile at stride 1; at stride 2 there are fewer
#define LINE 16         // words in a cache line

ALWAYS_INLINE int32_t tiles_along(int stride, int32_t size) {
  return (size + TILE(stride) - 1) / TILE(stride);
}

// SKEW makes the 36 or 49 planes start at different sets of the L1 cache. Otherwise they would all
// compete for one set.
#define SKEW 16
#define PLANE_OF_INPUT(job, words) ((ptrdiff_t)(job)->tiles * (words) + SKEW)
#define PLANE_OF_PRODUCTS(job) ((ptrdiff_t)(job)->tiles * PANEL + SKEW)

ptrdiff_t winograd_scratch(const struct job *job) {
  // No instruction set has more than one word per channel. A word is as large as a float.
  const ptrdiff_t lanes = job->classifier ? job->classifier->lanes : 0;
  const ptrdiff_t points = POINTS(job->convolution->stride);
  return points * points * (PLANE_OF_INPUT(job, job->convolution->in) + PLANE_OF_PRODUCTS(job)) +
         TILE_PIXELS * PANEL + TILE_PIXELS * job->tiles * lanes;
}

#define FLOATS_PER_WORD 1
#define PACK(to, index, values) memcpy((float *)(to) + (index), &(values), sizeof(values))

#define LANES 16
#define ROWS 6
#define COLUMNS 4
#define FOR_CPU(name) name##_avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))
#define MULTIPLY_ADD(a, b, c) ((floats)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define MULTIPLY_ADD_WORDS MULTIPLY_ADD
#include "_winograd_block.h"

#define LANES 8
#define ROWS 6
#define COLUMNS 2
#define FOR_CPU(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define MULTIPLY_ADD(a, b, c) ((floats)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define MULTIPLY_ADD_WORDS MULTIPLY_ADD
#include "_winograd_block.h"

#undef FLOATS_PER_WORD
#undef PACK

#if defined(__clang__) || __GNUC__ >= 10  // these know the instructions for bf16
#define FLOATS_PER_WORD 2
#define PACK(to, index, values)                                       \
  do {                                                                \
    const __m256bh packed = _mm512_cvtneps_pbh((__m512)(values));     \
    memcpy((uint16_t *)(to) + (index), &packed, sizeof(packed));      \
  } while (0)

#define LANES 16
#define ROWS 6
#define COLUMNS 4
#define FOR_CPU(name) name##_avx512_bf16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define MULTIPLY_ADD(a, b, c) ((floats)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define MULTIPLY_ADD_WORDS(a, b, c) \
  ((floats)_mm512_dpbf16_ps((__m512)(c), (__m512bh)(a), (__m512bh)(b)))
#include "_winograd_block.h"
#endif

#endif
