/* tests/harm/programs/walk.h - a random walk through scopes: what its parts know of each other.
 *
 * The same blocks are compiled as C without -fexceptions, as C with it, and written in C++:
 * what runs at the end of a block when a thread is cancelled, or an exception passes,
 * differs in each.
 */
#ifndef WALK_H
#define WALK_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WALK_LEVELS 24
#define WALK_HERE ((uintptr_t)__builtin_frame_address(0))
#define WALK_APART __attribute__((noinline))

/* Goes on from a deeper call. */
void walk(int level);
/* As likely as one in `n`. */
bool walk_chance(uint64_t n);

struct walk_blocks {
    const char *name;
    void (*in_scope)(int level);
    void (*in_progress)(int level);
    void (*in_blocks)(int level); /* several, left by return */
    void (*begin)(void);          /* a plain scope that stays open */
    void (*end)(void);
};
extern const struct walk_blocks walk_blocks_plain, walk_blocks_exceptions, walk_blocks_objects;

/* C++: walks on where an exception to this level is caught; throws one. */
void walk_where_caught(int level);
void walk_throw(int level);
/* C++: the calling thread has an object whose destructor pushes and pops. */
void walk_has_late_object(void);
/* A push and a pop, each checked. */
void walk_one_step(const char *step);

#ifdef __cplusplus
}
#endif
#endif
