// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Computes a block of tiles of _winograd.c, which includes this file once per instruction set, with
// these macros:
//   LANES                     floats in a vector
//   ROWS, COLUMNS             rows and vectors of a product that fit into the registers
//   FLOATS_PER_WORD           1, or 2 where a word is two bf16
//   FOR_CPU(name)             the name of a function in this build
//   TARGET                    the attribute that lets a function use the instruction set
//   MULTIPLY_ADD(a,b,c)       a * b + c
//   MULTIPLY_ADD_WORDS(a,b,c) the same for words, where a * b is a sum of two products for bf16
//   PACK(to,index,values)     stores floats as words, from the channel `index` on

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

#define POINT 0.70710678118654752f  // 1 / sqrt(2); the other point is twice that

// B' d
#define transform_input FOR_CPU(transform_input)
TARGET ALWAYS_INLINE void transform_input(const int stride, const floats d[], floats v[]) {
  if (stride == 2) {
    v[0] = d[0] - d[4];
    v[1] = d[2] + d[4];
    v[2] = d[4] - d[2];
    v[3] = d[6] - d[2];
    v[4] = d[1];
    v[5] = d[3];
    v[6] = d[5];
    return;
  }
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
TARGET ALWAYS_INLINE void transform_output(const int stride, const floats m[], floats y[]) {
  if (stride == 2) {
    const floats sum = m[1] + m[2];
    y[0] = m[0] + sum + m[4];
    y[1] = m[1] - m[2] + m[5];
    y[2] = m[3] + sum + m[6];
    return;
  }
  const floats sum_1 = m[1] + m[2], difference_1 = splat(POINT) * (m[1] - m[2]);
  const floats sum_2 = m[3] + m[4], difference_2 = splat(2 * POINT) * (m[3] - m[4]);
  y[0] = m[0] + sum_1 + sum_2;
  y[1] = difference_1 + difference_2;
  y[2] = scale_add(2, sum_2, splat(0.5f) * sum_1);
  y[3] = scale_add(2, difference_2, scale_add(0.5f, difference_1, m[5]));
}

// c (rows x columns * LANES) = a (rows x depth) * b (depth x ...), or c += a * b.
//
// Each step prefetches a cache line from `next`, unless that is NULL: the filters come from the L3
// cache, and the hardware does not hide its latency across page boundaries.
#define MOST_COLUMNS 4
#define multiply FOR_CPU(multiply)
TARGET ALWAYS_INLINE void multiply(const int rows, const int columns, const int add, int depth,
                                   const int32_t *a, int a_stride, const int32_t *b, int b_stride,
                                   float *c, int c_stride, const int32_t *next) {
  floats sum[ROWS][MOST_COLUMNS];
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < columns; j++)
      sum[i][j] = add ? load(c + i * c_stride + j * LANES) : splat(0);

  for (int k = 0; k < depth; k++) {
    if (next) __builtin_prefetch(next + LINE * k, 0, 2);
    words right[MOST_COLUMNS];
#pragma GCC unroll 8
    for (int j = 0; j < columns; j++)
      memcpy(&right[j], b + k * b_stride + j * LANES, sizeof right[j]);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
      const words left = a[i * a_stride + k] - (words){0};
#pragma GCC unroll 8
      for (int j = 0; j < columns; j++) sum[i][j] = MULTIPLY_ADD_WORDS(left, right[j], sum[i][j]);
    }
  }

#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < columns; j++) store(c + i * c_stride + j * LANES, sum[i][j]);
}

// Computes the planes (tiles x in) of the transformed input.
#define read_tiles FOR_CPU(read_tiles)
TARGET ALWAYS_INLINE void read_tiles(const struct job *job, const int stride, int first, int count,
                                     int32_t *input) {
  const int points = POINTS(stride), step = TILE(stride) * stride;
  const int in = job->convolution->in, in_words = in / FLOATS_PER_WORD;
  const int tiles_per_row = tiles_along(stride, job->width);
  const ptrdiff_t plane = PLANE_OF_INPUT(job, in_words);
  for (int tile = 0; tile < count; tile++) {
    const int top = (first + tile) / tiles_per_row * step - 1;
    const int left = (first + tile) % tiles_per_row * step - 1;
    const float *pixel[MOST_POINTS][MOST_POINTS];
    for (int y = 0; y < points; y++)
      for (int x = 0; x < points; x++) {
        const int row = top + y, column = left + x;
        const int inside =
            0 <= row && row < job->input_height && 0 <= column && column < job->input_width;
        pixel[y][x] =
            inside ? job->input + ((ptrdiff_t)row * job->input_width + column) * in : outside;
      }
    for (int channel = 0; channel < in; channel += LANES) {
      floats columns[MOST_POINTS][MOST_POINTS];  // [x]: transformed along y
      for (int x = 0; x < points; x++) {
        floats column[MOST_POINTS];
        for (int y = 0; y < points; y++) column[y] = load(pixel[y][x] + channel);
        transform_input(stride, column, columns[x]);
      }
      for (int y = 0; y < points; y++) {
        floats row[MOST_POINTS], transformed[MOST_POINTS];
        for (int x = 0; x < points; x++) row[x] = columns[x][y];
        transform_input(stride, row, transformed);
        for (int x = 0; x < points; x++)
          PACK(input + (points * y + x) * plane + tile * in_words, channel, transformed[x]);
      }
    }
  }
}

// Computes PANEL channels of the output before the transform with A: planes (tiles x PANEL). If the
// compiler knows the depth, addresses are a register and a constant.
#define convolve_deep FOR_CPU(convolve_deep)
TARGET ALWAYS_INLINE void convolve_deep(const struct job *job, const int depth, int count,
                                        const int32_t *input, const int32_t *filters,
                                        float *products) {
  const int part = COLUMNS * LANES, points = POINTS(job->convolution->stride);
  const ptrdiff_t plane = PLANE_OF_INPUT(job, depth);
  for (int k = 0; k < points * points; k++)
    for (int column = 0; column < PANEL; column += part, filters += part * depth)
      // In the last block, the extra rows up to a multiple of ROWS are computed but never read.
      for (int tile = 0; tile < count; tile += ROWS) {
        const int32_t *a = input + k * plane + tile * depth;
        float *c = products + k * PLANE_OF_PRODUCTS(job) + tile * PANEL + column;
        const int line = tile / ROWS * LINE;
        if (line < part)  // of the filters that the next plane needs for this part
          multiply(ROWS, COLUMNS, 0, depth, a, depth, filters, part, c, PANEL,
                   filters + (PANEL + line) * depth);
        else
          multiply(ROWS, COLUMNS, 0, depth, a, depth, filters, part, c, PANEL, NULL);
      }
}

#define convolve FOR_CPU(convolve)
TARGET static void convolve(const struct job *job, int count, const int32_t *input,
                            const int32_t *filters, float *products) {
  const int depth = job->convolution->in / FLOATS_PER_WORD;
  if (depth == 64)
    convolve_deep(job, 64, count, input, filters, products);
  else if (depth == 128)
    convolve_deep(job, 128, count, input, filters, products);
  else
    convolve_deep(job, depth, count, input, filters, products);
}

// Computes the pixels of a tile in PANEL channels of the output from `channel` on, as words.
#define activate FOR_CPU(activate)
TARGET ALWAYS_INLINE void activate(const struct job *job, const int stride, int tile, int channel,
                                   const float *products, int32_t *activated) {
  const int points = POINTS(stride), size = TILE(stride);
  const struct convolution *convolution = job->convolution;
  const ptrdiff_t plane = PLANE_OF_PRODUCTS(job);
  const floats least = splat(convolution->floor);
  for (int k = 0; k < PANEL; k += LANES) {
    const floats bias = load(convolution->bias + channel + k);
    floats columns[MOST_POINTS][MOST_OUTPUTS];  // [x]: transformed along y
    for (int x = 0; x < points; x++) {
      floats column[MOST_POINTS];
      for (int y = 0; y < points; y++)
        column[y] = load(products + (points * y + x) * plane + tile * PANEL + k);
      transform_output(stride, column, columns[x]);
    }
    for (int y = 0; y < size; y++) {
      floats row[MOST_POINTS], outputs[MOST_OUTPUTS];
      for (int x = 0; x < points; x++) row[x] = columns[x][y];
      transform_output(stride, row, outputs);
      for (int x = 0; x < size; x++) {
        const floats sum = outputs[x] + bias;
        const words below = sum < least;  // NaN is not, and stays
        const floats value = (floats)((below & (words)least) | (~below & (words)sum));
        PACK(activated + (size * y + x) * (PANEL / FLOATS_PER_WORD), k, value);
      }
    }
  }
}

// Adds the classifier's products with PANEL channels, from `channel` on, to the sums of the
// pixels of a tile, (TILE_PIXELS x lanes).
#define classify FOR_CPU(classify)
TARGET ALWAYS_INLINE void classify(const struct classifier *classifier, int channel,
                                   const int32_t *activated, float *sums) {
  const int depth = PANEL / FLOATS_PER_WORD;
  const int lanes = classifier->lanes;
  const int32_t *weights = classifier->weights + (ptrdiff_t)(channel / FLOATS_PER_WORD) * lanes;
  for (int pixel = 0; pixel < TILE_PIXELS; pixel += 4) {
    const int32_t *a = activated + pixel * depth;
    float *c = sums + pixel * lanes;
    for (int lane = 0, columns; lane < lanes; lane += columns * LANES) {
      const int left = (lanes - lane) / LANES;
      columns = left == 3 || left > 4 ? 3 : left == 1 ? 1 : 2;
      if (columns == 3)
        multiply(4, 3, 1, depth, a, depth, weights + lane, lanes, c + lane, lanes, NULL);
      else if (columns == 2)
        multiply(4, 2, 1, depth, a, depth, weights + lane, lanes, c + lane, lanes, NULL);
      else
        multiply(4, 1, 1, depth, a, depth, weights + lane, lanes, c + lane, lanes, NULL);
    }
  }
}

// Copies `size` floats per pixel of a tile to the output, which has `channels` channels, from
// `channel` on. Pixels of the tile are `distance` floats apart. Pixels beyond the output's borders
// are skipped.
#define write_tile FOR_CPU(write_tile)
TARGET ALWAYS_INLINE void write_tile(const struct job *job, const int stride, int tile,
                                     const float *from, int distance, int channels, int channel,
                                     int size) {
  const int tiles_per_row = tiles_along(stride, job->width), step = TILE(stride);
  const int top = tile / tiles_per_row * step, left = tile % tiles_per_row * step;
  const int rows = smaller(step, job->height - top), columns = smaller(step, job->width - left);
  for (int y = 0; y < rows; y++)
    for (int x = 0; x < columns; x++)
      memcpy(job->output + ((ptrdiff_t)(top + y) * job->width + left + x) * channels + channel,
             from + (step * y + x) * distance, sizeof(float) * size);
}

#define run_block FOR_CPU(run_block)
TARGET ALWAYS_INLINE void run_block(const struct job *job, const int stride, int task, int thread) {
  const struct convolution *convolution = job->convolution;
  const struct classifier *classifier = stride == 1 ? job->classifier : NULL;
  const int planes = POINTS(stride) * POINTS(stride);
  const int all = tiles_along(stride, job->height) * tiles_along(stride, job->width);
  const int first = task * job->tiles, count = smaller(job->tiles, all - first);
  const int in_words = convolution->in / FLOATS_PER_WORD;
  float *scratch = job->scratch + thread * winograd_scratch(job);
  int32_t *input = (int32_t *)scratch;
  float *products = scratch + planes * PLANE_OF_INPUT(job, in_words);
  int32_t *activated = (int32_t *)(products + planes * PLANE_OF_PRODUCTS(job));
  float *sums = (float *)(activated + TILE_PIXELS * PANEL);
  read_tiles(job, stride, first, count, input);
  if (classifier)
    for (int pixel = 0; pixel < TILE_PIXELS * count; pixel++)
      memcpy(sums + (ptrdiff_t)pixel * classifier->lanes, classifier->bias,
             sizeof(float) * classifier->lanes);
  for (int channel = 0; channel < convolution->out; channel += PANEL) {
    convolve(job, count, input,
             convolution->filters + (ptrdiff_t)channel * planes * in_words, products);
    for (int tile = 0; tile < count; tile++) {
      activate(job, stride, tile, channel, products, activated);
      if (classifier)
        classify(classifier, channel, activated,
                 sums + (ptrdiff_t)TILE_PIXELS * tile * classifier->lanes);
      else if (FLOATS_PER_WORD == 1)
        write_tile(job, stride, first + tile, (float *)activated, PANEL, convolution->out, channel,
                   PANEL);
    }
  }
  if (classifier)
    for (int tile = 0; tile < count; tile++)
      write_tile(job, stride, first + tile,
                 sums + (ptrdiff_t)TILE_PIXELS * tile * classifier->lanes, classifier->lanes,
                 classifier->classes, 0, classifier->classes);
}

// A task: a block of tiles.
TARGET void FOR_CPU(winograd)(const void *argument, int task, int thread) {
  const struct job *job = argument;
  if (job->convolution->stride == 1)
    run_block(job, 1, task, thread);
  else
    run_block(job, 2, task, thread);
}

#undef LANES
#undef ROWS
#undef COLUMNS
#undef FOR_CPU
#undef TARGET
#undef MULTIPLY_ADD
#undef MULTIPLY_ADD_WORDS
#undef POINT
#undef MOST_COLUMNS
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
#undef convolve_deep
#undef convolve
#undef activate
#undef classify
#undef write_tile
#undef run_block
