// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Threads that share out the tasks of a job. They are kept, and sleep between jobs. They are our own
// for want of a neutral party: a second OpenMP runtime beside torch's would fight it for the cores,
// and threads of Python's would wait for the interpreter lock before each task.

#include "_tasks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stddef.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;  // held by whose job it is

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // of what follows
static pthread_cond_t job_is_there = PTHREAD_COND_INITIALIZER;
static pthread_cond_t all_are_done = PTHREAD_COND_INITIALIZER;
static int helpers;        // threads that were started
static unsigned long jobs;  // how many there have been
static int working;        // helpers at the present one

static struct {
  task_function *run;  // NULL between jobs
  const void *job;
  int tasks, threads;
  atomic_int next;
} present;

static void work(int thread) {
  for (int task; (task = atomic_fetch_add(&present.next, 1)) < present.tasks;)
    present.run(present.job, task, thread);
}

static void *help(void *number) {
  const int thread = (int)(intptr_t)number;
  unsigned long seen = 0;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (jobs == seen) pthread_cond_wait(&job_is_there, &lock);
    seen = jobs;
    if (present.run == NULL || thread >= present.threads) continue;  // too late, or not needed
    working++;
    pthread_mutex_unlock(&lock);
    work(thread);
    pthread_mutex_lock(&lock);
    if (--working == 0) pthread_cond_signal(&all_are_done);
  }
  return NULL;
}

// A process that forks has no helpers in its child, whatever they were doing.
static void forget_helpers(void) {
  pthread_mutex_init(&turn, NULL);
  pthread_mutex_init(&lock, NULL);
  pthread_cond_init(&job_is_there, NULL);
  pthread_cond_init(&all_are_done, NULL);
  helpers = working = 0;
  present.run = NULL;
}

static void start_helpers(int wanted) {
  static int watching_forks;
  if (!watching_forks) watching_forks = pthread_atfork(NULL, NULL, forget_helpers) == 0;
  for (pthread_t helper; helpers < wanted; helpers++) {
    // With fewer threads than wanted, the others do more.
    if (pthread_create(&helper, NULL, help, (void *)(intptr_t)(helpers + 1)) != 0) return;
    pthread_detach(helper);
  }
}

void run_tasks(task_function *run, const void *job, int tasks, int threads) {
  pthread_mutex_lock(&turn);
  pthread_mutex_lock(&lock);
  start_helpers(threads - 1);
  present.run = run;
  present.job = job;
  present.tasks = tasks;
  present.threads = threads;
  atomic_store(&present.next, 0);
  jobs++;
  if (threads > 1) pthread_cond_broadcast(&job_is_there);
  pthread_mutex_unlock(&lock);

  work(0);

  pthread_mutex_lock(&lock);
  while (working > 0) pthread_cond_wait(&all_are_done, &lock);
  present.run = NULL;
  pthread_mutex_unlock(&lock);
  pthread_mutex_unlock(&turn);
}
