// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies an image by blocks of rows in several threads: one thread is slower than the transfer to a
// GPU.

#include "_tasks.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  const uint8_t *from;
  uint8_t *to;       // contiguous rows
  ptrdiff_t stride;  // from one row of `from` to the next
  int64_t row;       // bytes
  int rows, rows_per_task;
} copy_job;

void copy_rows(const void *job, int task, int thread) {
  const copy_job *copy = job;
  const int first = task * copy->rows_per_task;
  const int left = copy->rows - first;
  const int rows = left < copy->rows_per_task ? left : copy->rows_per_task;
  (void)thread;
  for (int y = first; y < first + rows; y++)
    memcpy(copy->to + y * copy->row, copy->from + y * copy->stride, copy->row);
}
