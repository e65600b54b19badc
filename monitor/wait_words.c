#include "wait_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const lock_words[] = {
    [HL_PLAT_FOR_MUTEX] = "mutex",     [HL_PLAT_FOR_CONDVAR] = "condvar",
    [HL_PLAT_FOR_RWLOCK] = "rwlock",   [HL_PLAT_FOR_SEMAPHORE] = "semaphore",
    [HL_PLAT_FOR_BARRIER] = "barrier", [HL_PLAT_FOR_ONCE] = "once",
    [HL_PLAT_FOR_FUTEX] = "futex",
};

static bool is_lock(enum hl_plat_wait_for kind)
{
    return (size_t)kind < sizeof lock_words / sizeof lock_words[0] && lock_words[kind];
}

static void put_child(uint64_t pid, char *words)
{
    if (pid)
        snprintf(words, HL_WAIT_BYTES, "child:%" PRIu64, pid);
    else
        snprintf(words, HL_WAIT_BYTES, "child:any");
}

static void put_detail(const struct hl_plat_look *look, char *words)
{
    switch (look->waits_for) {
    case HL_PLAT_FOR_JOIN:
        snprintf(words, HL_WAIT_BYTES, "join:%" PRIu64, look->awaited);
        break;
    case HL_PLAT_FOR_OBJECT:
        snprintf(words, HL_WAIT_BYTES, "%s:%s", look->verb, look->object);
        break;
    case HL_PLAT_FOR_CHILD:
        put_child(look->awaited, words);
        break;
    case HL_PLAT_FOR_TIMER:
        snprintf(words, HL_WAIT_BYTES, "timer");
        break;
    case HL_PLAT_FOR_SIGNAL:
        snprintf(words, HL_WAIT_BYTES, "signal");
        break;
    default:
        snprintf(words, HL_WAIT_BYTES, "%s:0x%" PRIx64, lock_words[look->waits_for], look->address);
    }
}

bool hl_wait_words(const struct hl_plat_look *look, char words[HL_WAIT_BYTES])
{
    bool call_is_known = look->known & HL_KNOWN(HL_PLAT_SYSCALL);
    words[0] = '\0';
    if (!call_is_known || look->waits_for == HL_PLAT_FOR_UNKNOWN)
        return false;
    if (look->waits_for == HL_PLAT_FOR_NOTHING)
        return true;
    if (look->waits_for == HL_PLAT_FOR_CALL) {
        snprintf(words, HL_WAIT_BYTES, "%s", look->call);
        return true;
    }
    if (!(look->known & HL_KNOWN(HL_PLAT_WAIT)))
        return false;
    put_detail(look, words);
    return true;
}

bool hl_wait_words_of_many(const struct hl_plat_look *look, char words[HL_WAIT_BYTES])
{
    bool is_known = hl_wait_words(look, words);
    if (is_lock(look->waits_for) && look->waits_for != HL_PLAT_FOR_MUTEX)
        words[strcspn(words, ":")] = '\0';
    return is_known;
}
