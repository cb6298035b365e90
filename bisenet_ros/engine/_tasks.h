// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0

// Does one of the tasks of a job. `thread`, from 0, is who does it: what a thread needs for itself
// can be told apart by it.
typedef void task_function(const void *job, int task, int thread);

// Has threads, the caller among them, do the tasks 0 to `tasks` - 1; returns when all are done.
void run_tasks(task_function *run, const void *job, int tasks, int threads);
