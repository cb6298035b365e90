// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// A block of tiles of _winograd.c. Included there once per instruction set, with these defined:
//   LANES                     floats in a vector
//   ROWS, COLUMNS             how many rows and vectors of a product fit into the registers
//   FLOATS_PER_WORD           1, or 2 where a word is two bf16
//   FOR_CPU(name)             the name of a function in this build
//   TARGET                    the attribute that lets a function use the instruction set
//   MULTIPLY_ADD(a,b,c)       a * b + c
//   MULTIPLY_ADD_WORDS(a,b,c) the same of words, where a * b is a sum of two products for bf16
//   PACK(to,index,values)     stores floats in words from the channel of that index

#define floats FOR_CPU(floats)
#define words FOR_CPU(words)
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t words __attribute__((vector_size(4 * LANES)));

#define splat FOR_CPU(splat)
TARGET ALWAYS_INLINE floats splat(float value) { return value - (floats){0}; }

#define load FOR_CPU(load)
TARGET ALWAYS_INLINE floats load(const float *from) {
  floats values;
  memcpy(&values, from, sizeof values);
  return values;
}

#define store FOR_CPU(store)
TARGET ALWAYS_INLINE void store(float *to, floats values) { memcpy(to, &values, sizeof values); }

#define scale_add FOR_CPU(scale_add)
TARGET ALWAYS_INLINE floats scale_add(float scale, floats a, floats b) {
  return MULTIPLY_ADD(splat(scale), a, b);
}

#define POINT 0.70710678118654752f  // 1 / sqrt(2), and twice that is the other one

// B' d
#define transform_input FOR_CPU(transform_input)
TARGET ALWAYS_INLINE void transform_input(const floats d[6], floats v[6]) {
  const floats even_1 = scale_add(-2, d[2], d[4]), odd_1 = splat(POINT) * scale_add(-2, d[1], d[3]);
  const floats even_2 = scale_add(-0.5f, d[2], d[4]);
  const floats odd_2 = splat(2 * POINT) * scale_add(-0.5f, d[1], d[3]);
  v[0] = scale_add(-2.5f, d[2], d[0] + d[4]);
  v[1] = even_1 + odd_1;
  v[2] = even_1 - odd_1;
  v[3] = even_2 + odd_2;
  v[4] = even_2 - odd_2;
  v[5] = scale_add(-2.5f, d[3], d[1] + d[5]);
}

// A' m
#define transform_output FOR_CPU(transform_output)
TARGET ALWAYS_INLINE void transform_output(const floats m[6], floats y[4]) {
  const floats sum_1 = m[1] + m[2], difference_1 = splat(POINT) * (m[1] - m[2]);
  const floats sum_2 = m[3] + m[4], difference_2 = splat(2 * POINT) * (m[3] - m[4]);
  y[0] = m[0] + sum_1 + sum_2;
  y[1] = difference_1 + difference_2;
  y[2] = scale_add(2, sum_2, splat(0.5f) * sum_1);
  y[3] = scale_add(2, difference_2, scale_add(0.5f, difference_1, m[5]));
}

// c (rows x columns * LANES) = a (rows x depth) * b (depth x ...), or c += a * b.
//
// Each step prefetches a cache line from `next`: the filters come from the L3 cache, whose latency
// the hardware does not hide over the ends of pages.
#define multiply FOR_CPU(multiply)
TARGET ALWAYS_INLINE void multiply(const int rows, const int columns, const int add, int depth,
                                   const int32_t *a, const int32_t *b, int b_stride, float *c,
                                   int c_stride, const int32_t *next) {
  floats sum[ROWS][COLUMNS];
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < columns; j++)
      sum[i][j] = add ? load(c + i * c_stride + j * LANES) : splat(0);

  for (int k = 0; k < depth; k++) {
    if (next) __builtin_prefetch(next + 16 * k, 0, 2);
    words right[COLUMNS];
#pragma GCC unroll 8
    for (int j = 0; j < columns; j++)
      memcpy(&right[j], b + k * b_stride + j * LANES, sizeof right[j]);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
      const words left = a[i * depth + k] - (words){0};
#pragma GCC unroll 8
      for (int j = 0; j < columns; j++) sum[i][j] = MULTIPLY_ADD_WORDS(left, right[j], sum[i][j]);
    }
  }

#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < columns; j++) store(c + i * c_stride + j * LANES, sum[i][j]);
}

// The 36 planes (tiles x in) of the transformed input.
#define read_tiles FOR_CPU(read_tiles)
TARGET static void read_tiles(const struct job *job, int first, int count, int32_t *input) {
  const int in = job->convolution->in, in_words = in / FLOATS_PER_WORD;
  const int tiles_per_row = (job->width + 3) / 4;
  const ptrdiff_t plane = PLANE_OF_INPUT(job, in_words);
  for (int tile = 0; tile < count; tile++) {
    const int top = (first + tile) / tiles_per_row * 4 - 1;
    const int left = (first + tile) % tiles_per_row * 4 - 1;
    const float *pixel[6][6];
    for (int y = 0; y < 6; y++)
      for (int x = 0; x < 6; x++) {
        const int row = top + y, column = left + x;
        const int inside = 0 <= row && row < job->height && 0 <= column && column < job->width;
        pixel[y][x] = inside ? job->input + ((ptrdiff_t)row * job->width + column) * in : outside;
      }
    for (int channel = 0; channel < in; channel += LANES) {
      floats columns[6][6];  // [x]: transformed along y
      for (int x = 0; x < 6; x++) {
        floats column[6];
        for (int y = 0; y < 6; y++) column[y] = load(pixel[y][x] + channel);
        transform_input(column, columns[x]);
      }
      for (int y = 0; y < 6; y++) {
        floats row[6], transformed[6];
        for (int x = 0; x < 6; x++) row[x] = columns[x][y];
        transform_input(row, transformed);
        for (int x = 0; x < 6; x++)
          PACK(input + (6 * y + x) * plane + tile * in_words, channel, transformed[x]);
      }
    }
  }
}

// A PANEL of the output, before the transform with A: 36 planes (tiles x PANEL).
#define convolve FOR_CPU(convolve)
TARGET static void convolve(const struct job *job, int count, const int32_t *input,
                            const int32_t *filters, float *products) {
  const int in_words = job->convolution->in / FLOATS_PER_WORD;
  const ptrdiff_t plane = PLANE_OF_INPUT(job, in_words);
  for (int k = 0; k < 36; k++) {
    const int32_t *filter = filters + (ptrdiff_t)k * in_words * PANEL;
    for (int column = 0; column < PANEL; column += COLUMNS * LANES)
      // Of the last block, rows up to a multiple of ROWS are computed and never read.
      for (int tile = 0; tile < count; tile += ROWS) {
        const int32_t *next = filter + (PANEL + tile / ROWS % 4 * 16) * in_words;
        multiply(ROWS, COLUMNS, 0, in_words, input + k * plane + tile * in_words, filter + column,
                 PANEL, products + k * PLANE_OF_PRODUCTS(job) + tile * PANEL + column, PANEL, next);
      }
  }
}

// The 16 pixels of a tile in a PANEL of the output from `channel` on, as words.
#define activate FOR_CPU(activate)
TARGET ALWAYS_INLINE void activate(const struct job *job, int tile, int channel,
                                   const float *products, int32_t *activated) {
  const struct convolution *convolution = job->convolution;
  const ptrdiff_t plane = PLANE_OF_PRODUCTS(job);
  const floats least = splat(convolution->floor);
  for (int k = 0; k < PANEL; k += LANES) {
    const floats bias = load(convolution->bias + channel + k);
    floats columns[6][4];  // [x]: transformed along y
    for (int x = 0; x < 6; x++) {
      floats column[6];
      for (int y = 0; y < 6; y++) column[y] = load(products + (6 * y + x) * plane + tile * PANEL + k);
      transform_output(column, columns[x]);
    }
    for (int y = 0; y < 4; y++) {
      floats row[6], outputs[4];
      for (int x = 0; x < 6; x++) row[x] = columns[x][y];
      transform_output(row, outputs);
      for (int x = 0; x < 4; x++) {
        const floats sum = outputs[x] + bias;
        const words above = sum > least;
        const floats value = (floats)((above & (words)sum) | (~above & (words)least));
        PACK(activated + (4 * y + x) * (PANEL / FLOATS_PER_WORD), k, value);
      }
    }
  }
}

// Adds to the 16 pixels of a tile, (16 x lanes), what a PANEL from `channel` on gives the classifier.
#define classify FOR_CPU(classify)
TARGET ALWAYS_INLINE void classify(const struct classifier *classifier, int channel,
                                   const int32_t *activated, float *sums) {
  const int depth = PANEL / FLOATS_PER_WORD, lanes = classifier->lanes;
  const int32_t *weights = classifier->weights + (ptrdiff_t)(channel / FLOATS_PER_WORD) * lanes;
  for (int pixel = 0; pixel < 16; pixel += 4) {
    const int32_t *a = activated + pixel * depth;
    float *c = sums + pixel * lanes;
    int lane = 0;
    for (; lane + 2 * LANES <= lanes; lane += 2 * LANES)
      multiply(4, 2, 1, depth, a, weights + lane, lanes, c + lane, lanes, 0);
    for (; lane < lanes; lane += LANES)
      multiply(4, 1, 1, depth, a, weights + lane, lanes, c + lane, lanes, 0);
  }
}

// Copies `size` floats of each of the 16 pixels of a tile, `stride` apart, to the output, which has
// `channels`, from `channel` on; what is beyond its borders is left out.
#define write_tile FOR_CPU(write_tile)
TARGET ALWAYS_INLINE void write_tile(const struct job *job, int tile, const float *from, int stride,
                                     int channels, int channel, int size) {
  const int tiles_per_row = (job->width + 3) / 4;
  const int top = tile / tiles_per_row * 4, left = tile % tiles_per_row * 4;
  const int rows = smaller(4, job->height - top), columns = smaller(4, job->width - left);
  for (int y = 0; y < rows; y++)
    for (int x = 0; x < columns; x++)
      memcpy(job->output + ((ptrdiff_t)(top + y) * job->width + left + x) * channels + channel,
             from + (4 * y + x) * stride, sizeof(float) * size);
}

// A task: a block of tiles.
TARGET void FOR_CPU(winograd)(const void *argument, int task, int thread) {
  const struct job *job = argument;
  const struct convolution *convolution = job->convolution;
  const struct classifier *classifier = job->classifier;
  const int all = (job->height + 3) / 4 * ((job->width + 3) / 4);
  const int first = task * job->tiles, count = smaller(job->tiles, all - first);
  const int in_words = convolution->in / FLOATS_PER_WORD;
  float *scratch = job->scratch + thread * winograd_scratch(job);
  int32_t *input = (int32_t *)scratch;
  float *products = scratch + 36 * PLANE_OF_INPUT(job, in_words);
  int32_t *activated = (int32_t *)(products + 36 * PLANE_OF_PRODUCTS(job));
  float *sums = (float *)(activated + 16 * PANEL);
  read_tiles(job, first, count, input);
  if (classifier)
    for (int pixel = 0; pixel < 16 * count; pixel++)
      memcpy(sums + (ptrdiff_t)pixel * classifier->lanes, classifier->bias,
             sizeof(float) * classifier->lanes);
  for (int channel = 0; channel < convolution->out; channel += PANEL) {
    convolve(job, count, input, convolution->filters + (ptrdiff_t)channel * 36 * in_words, products);
    for (int tile = 0; tile < count; tile++) {
      activate(job, tile, channel, products, activated);
      if (classifier)
        classify(classifier, channel, activated, sums + (ptrdiff_t)16 * tile * classifier->lanes);
      else if (FLOATS_PER_WORD == 1)
        write_tile(job, first + tile, (float *)activated, PANEL, convolution->out, channel, PANEL);
    }
  }
  if (classifier)
    for (int tile = 0; tile < count; tile++)
      write_tile(job, first + tile, sums + (ptrdiff_t)16 * tile * classifier->lanes,
                 classifier->lanes, classifier->classes, 0, classifier->classes);
}

#undef LANES
#undef ROWS
#undef COLUMNS
#undef FOR_CPU
#undef TARGET
#undef MULTIPLY_ADD
#undef MULTIPLY_ADD_WORDS
#undef POINT
#undef floats
#undef words
#undef splat
#undef load
#undef store
#undef scale_add
#undef transform_input
#undef transform_output
#undef multiply
#undef read_tiles
#undef convolve
#undef activate
#undef classify
#undef write_tile
