// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0

// Does one task of a job. `thread`, from 0, is the number of the thread that does it, for example
// to find its scratch memory.
typedef void task_function(const void *job, int task, int thread);

// Does the tasks 0 to `tasks` - 1 on `threads` threads, including the caller's. Returns when all
// are done.
void run_tasks(task_function *run, const void *job, int tasks, int threads);
