// Copyright 2026 The bisenet_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// A pool of threads that share the tasks of a job and sleep between jobs. It is our own because a
// second OpenMP runtime would compete with torch's for the cores, and Python threads would wait for
// the interpreter lock before each task.

#include "_tasks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;  // held by the caller whose job runs

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // guards the following
static pthread_cond_t job_is_there = PTHREAD_COND_INITIALIZER;
static pthread_cond_t all_are_done = PTHREAD_COND_INITIALIZER;
static int helpers;        // number of started threads
static unsigned long jobs;  // number of jobs so far
static int working;        // helpers that work on the present job

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

// In a forked child there are no helpers, and threads that do not exist there may hold the locks.
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
    // If there are fewer threads than wanted, each does more tasks.
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
