// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies an image by blocks of rows in several threads: one thread is slower than the transfer to a
// GPU.

#include "_tasks.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct job {
  const uint8_t *source;
  uint8_t *target;   // contiguous rows
  ptrdiff_t stride;  // from one row of the source to the next; may be negative
  size_t row_size;   // bytes
  int32_t rows, rows_per_task;
};

void copy_rows(const void *argument, int task, int thread) {
  (void)thread;
  const struct job *job = argument;
  const int first = task * job->rows_per_task;
  const int left = job->rows - first;
  const int rows = left < job->rows_per_task ? left : job->rows_per_task;
  for (int y = first; y < first + rows; y++)
    memcpy(job->target + (size_t)y * job->row_size, job->source + y * job->stride, job->row_size);
}
