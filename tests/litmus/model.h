/* tests/litmus/model.h - memory that behaves in every way that C11 allows, one after the other.
 *
 * All values that a word ever had are kept, in the order of its stores. A load may
 * return each one that its thread is not past yet; which one is a choice, and
 * model_explore runs the same piece of program again until every combination of
 * choices was taken. How far a thread is with each word (its view) grows by what
 * it reads and writes. A release store takes its thread's view along, and an
 * acquire load that returns the value takes the view over.
 *
 * That is release/acquire, relaxed and fences as C11 (and rc11) has them, with these
 * liberties: a store takes its place after those that were made already; a load
 * never returns what is stored later (nothing that is tested has a relaxed load
 * before a relaxed store on both sides, which that would need); what only
 * memory_order_seq_cst promises beyond acquire and release is not promised; a
 * store that changes a word in one step sees the latest value, also when it fails.
 *
 * Threads are who says so: model_be. Everything runs on one, so a handler of the
 * owner, or the monitor amid a push, is a function that is called between two
 * accesses (model_step_hook).
 */
#ifndef TESTS_LITMUS_MODEL_H
#define TESTS_LITMUS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_RELAXED = 0, MODEL_ACQUIRE = 1, MODEL_RELEASE = 2, MODEL_TOTAL = 4 };
enum model_change { MODEL_SET, MODEL_ADD };
enum model_thread { MODEL_OWNER, MODEL_MONITOR, MODEL_THIRD, MODEL_THREADS };

/* ---- accesses, for shim/stdatomic.h ------------------------------------------ */

uint64_t model_load(void *at, size_t size, int order);
void model_store(void *at, size_t size, uint64_t value, int order);
/* The value before. */
uint64_t model_change(void *at, size_t size, enum model_change change, uint64_t operand, int order);
/* true: it was *expected and is `value` now; else *expected is what it is. */
bool model_replace(void *at, size_t size, uint64_t *expected, uint64_t value, int order);
void model_fence(int order);

/* ---- executions ---------------------------------------------------------------- */

/* Forgets all stores: words are again what the real memory has, which nothing writes. */
void model_begin(void);
/* This one has a value for each thread. */
void model_make_private(const void *at);
void model_be(enum model_thread thread); /* from here on */
enum model_thread model_acting(void);
void model_learn_all(void); /* the acting thread is past all that is not the latest */
void model_barrier(void);   /* membarrier: as if each thread had a full fence here */

/* Loads return the latest value without a choice, and change nothing. */
void model_look_on(bool on);

unsigned model_choose(unsigned count); /* 0 .. count-1 */
/* Runs `run` for every combination of choices, or until model_fail. How often that was. */
uint64_t model_explore(void (*run)(void));
void model_fail(const char *why);
const char *model_failure(void); /* the first since model_forgive, or NULL */
void model_forgive(void);

/* Called before each access of whoever is not the monitor, and after each of its stores. */
extern void (*model_step_hook)(void);
extern void (*model_stored_hook)(void);

/* ---- mutants ---------------------------------------------------------------------- */

/* Accesses for which this is true are relaxed. NULL = none. */
extern bool (*model_is_weakened)(const void *at, bool is_store, uint64_t value);

/* What one thread knows, to be given to another one. */
struct model_view;
struct model_view *model_remember(void); /* until model_begin */
void model_know(const struct model_view *view);

#endif
