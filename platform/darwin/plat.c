/* platform/darwin/plat.c - opening, closing, and the reasons for what is missing.
 *
 * A reason is a constant text, and what a call returned belongs in it: so such a text
 * is made once for each call and result, in memory that stays. There are not many that
 * a program meets in its life; where there are, of the later ones only the call is told.
 *
 * In the child of a fork every name of a port is void, and libSystem has got new ones
 * of its own for it (XNU tells a child nothing of its parent's ports). So there nothing
 * is given back and no Mach call is made: what is known is forgotten.
 */
#define _DARWIN_C_SOURCE
#define _DEFAULT_SOURCE
#include "plat.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define TEXTS 48
#define TEXT_BYTES 96

struct hl_plat *hl_plat_open(void)
{
    int saved = errno;
    struct hl_plat *plat = hl_plat_map(sizeof *plat);

    if (plat) {
        for (int key = 0; key < HL_PLAT_KEYS; key++)
            plat->why[key] = "not asked for yet";
        hl_plat_bell_open(&plat->bell);
        hl_plat_cpu_open(plat);
        hl_plat_capture_open(plat);
    }
    errno = saved;
    return plat;
}

void hl_plat_close(struct hl_plat *plat)
{
    int saved = errno;

    if (plat) {
        hl_plat_capture_close(plat);
        hl_plat_bell_close(&plat->bell);
        hl_plat_unmap(plat, sizeof *plat);
    }
    errno = saved;
}

void hl_plat_abandon_in_child(struct hl_plat *plat)
{
    hl_plat_close(
        plat); /* no part of it is a Mach call, takes a lock, or trusts what is half written */
}

/* ---- reasons ------------------------------------------------------------------ */

static const char *word_for(kern_return_t result)
{
    switch (result) {
    case KERN_INVALID_ADDRESS:
        return "invalid address";
    case KERN_NO_SPACE:
        return "no address space";
    case KERN_INVALID_ARGUMENT:
        return "invalid argument";
    case KERN_FAILURE:
        return "failure";
    case KERN_RESOURCE_SHORTAGE:
        return "the kernel is short of memory";
    case KERN_NO_ACCESS:
        return "no access";
    case KERN_TERMINATED:
        return "it has ended";
    default:
        return "an error";
    }
}

static const char *word_for_errno(int error)
{
    switch (error) {
    case EPERM:
    case EACCES:
        return "not permitted (sandbox)";
    case ENOENT:
    case EINVAL:
    case ENOTSUP:
        return "this system does not offer it";
    case ENOMEM:
        return "out of memory";
    case ESRCH:
        return "it has ended";
    default:
        return "an error";
    }
}

/* A text once made stays, so whoever finds one can use it for ever. */
struct text {
    _Atomic(const char *) call; /* published last */
    int result;
    bool is_errno;
    char bytes[TEXT_BYTES];
};
static struct text texts[TEXTS];
static atomic_uint texts_taken;

static const char *find_text(const char *call, int result, bool is_errno)
{
    for (size_t i = 0; i < TEXTS; i++) {
        const char *of = atomic_load_explicit(&texts[i].call, memory_order_acquire);
        if (of && strcmp(of, call) == 0 && texts[i].result == result &&
            texts[i].is_errno == is_errno)
            return texts[i].bytes;
    }
    return NULL;
}

/* `call` is a constant text, too. Two threads may make the same one: it is said twice. */
static const char *text_for(const char *call, int result, bool is_errno)
{
    const char *known = find_text(call, result, is_errno);
    if (known)
        return known;
    if (atomic_load(&texts_taken) >= TEXTS)
        return call;
    unsigned place = atomic_fetch_add(&texts_taken, 1);
    if (place >= TEXTS)
        return call;
    struct text *text = &texts[place];
    text->result = result;
    text->is_errno = is_errno;
    snprintf(text->bytes, sizeof text->bytes, "%s: %s (%s%d)", call,
             is_errno ? word_for_errno(result) : word_for(result), is_errno ? "errno " : "",
             result);
    atomic_store_explicit(&text->call, call, memory_order_release);
    return text->bytes;
}

void hl_plat_miss_because(struct hl_plat *plat, enum hl_plat_key key, const char *text)
{
    plat->why[key] = text;
}

void hl_plat_miss_call(struct hl_plat *plat, enum hl_plat_key key, const char *call,
                       kern_return_t result)
{
    plat->why[key] = text_for(call, result, false);
}

void hl_plat_miss_errno(struct hl_plat *plat, enum hl_plat_key key, const char *call, int error)
{
    plat->why[key] = text_for(call, error, true);
}

const char *hl_plat_why(const struct hl_plat *plat, enum hl_plat_key key)
{
    if ((unsigned)key >= HL_PLAT_KEYS)
        return "there is no such figure";
    return plat->why[key];
}
