/* See words.h. */
#define _GNU_SOURCE
#include "words.h"

#include "../../monitor/report.h"
#include "../../monitor/wait_words.h"
#include "fuzz.h"
#include "wants.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for any words there may be, so that none are cut. */
struct words {
    char text[4096];
};

static struct words with_number(const char *before, const char *format, uint64_t number)
{
    struct words words;
    size_t length = strlen(strcpy(words.text, before));
    snprintf(words.text + length, sizeof words.text - length, format, number);
    return words;
}

static struct words plain(const char *text)
{
    return with_number(text, "", 0);
}

static bool is_lock(enum hl_plat_wait_for kind)
{
    return (kind >= HL_PLAT_FOR_MUTEX && kind <= HL_PLAT_FOR_ONCE) || kind == HL_PLAT_FOR_FUTEX;
}

static struct words words_of(const struct hl_plat_look *look)
{
    static const char *const locks[] = {
        "mutex:", "condvar:", "rwlock:", "semaphore:", "barrier:", "once:", "", "futex:"};
    struct words words = {""};
    enum hl_plat_wait_for kind = look->waits_for;
    if (kind == HL_PLAT_FOR_CALL)
        return plain(look->call);
    if (is_lock(kind))
        return with_number(locks[kind - HL_PLAT_FOR_MUTEX], "0x%" PRIx64, look->address);
    if (kind == HL_PLAT_FOR_JOIN)
        return with_number("join:", "%" PRIu64, look->awaited);
    if (kind == HL_PLAT_FOR_CHILD)
        return look->awaited ? with_number("child:", "%" PRIu64, look->awaited)
                             : plain("child:any");
    if (kind == HL_PLAT_FOR_TIMER || kind == HL_PLAT_FOR_SIGNAL)
        return plain(kind == HL_PLAT_FOR_TIMER ? "timer" : "signal");
    if (kind == HL_PLAT_FOR_OBJECT)
        strcpy(stpcpy(stpcpy(words.text, look->verb), ":"), look->object);
    return words;
}

static bool can_be_told(const struct hl_plat_look *look)
{
    bool has_detail = look->waits_for > HL_PLAT_FOR_CALL;
    return (look->known & HL_KNOWN(HL_PLAT_SYSCALL)) && look->waits_for != HL_PLAT_FOR_UNKNOWN &&
           (!has_detail || (look->known & HL_KNOWN(HL_PLAT_WAIT)));
}

/* As the lock of a deadlock, which is the shortest line that has such words. */
static void meet_line(const char *words)
{
    static const enum monitor_format formats[] = {MONITOR_TEXT, MONITOR_JSON};
    static struct wants wants;
    static struct hl_line line;
    struct hl_deadlock_member member = {.who.thread = {.tid = 7, .name = "x"}};
    struct hl_deadlock_event event = {.id = 1, .count = 1, .members = &member};
    struct hl_line_head head = {.pid = 4242};
    strcpy(member.lock, words);
    wants_begin(&wants, "DEADLOCK");
    want_number(&wants, WANT_COUNT, "id", 1, 0);
    want_number(&wants, WANT_COUNT, "members", 1, 0);
    want_thread(&wants, "thread1", &member.who.thread);
    want_text(&wants, "lock1", words[0] ? words : NULL);
    want_word(&wants, WANT_NONE, "phase1");
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        head.format = formats[i];
        hl_report_deadlock(&line, &head, &event);
        wants_meet(&wants, &head, &line);
    }
}

void words_meet(const struct hl_plat_look *look)
{
    char *words = malloc(HL_WAIT_BYTES);
    if (!words)
        abort();
    memset(words, 'x', HL_WAIT_BYTES);
    bool is_told = hl_wait_words(look, words);
    MUST(is_told == can_be_told(look), "told: %d", is_told);
    MUST(memchr(words, '\0', HL_WAIT_BYTES), "no end");
    struct words wanted = words_of(look);
    if (!is_told)
        wanted.text[0] = '\0';
    MUST(strcmp(words, wanted.text) == 0, "%s, not %s", words, wanted.text);
    meet_line(words);
    free(words);
}
