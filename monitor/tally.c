/* See tally.h. */
#include "tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REST_BYTES sizeof "; 18446744073709551615 other"

void hl_tally_begin(struct hl_tally *tally)
{
    tally->kinds = 0;
}

void hl_tally_add(struct hl_tally *tally, const char words[HL_WAIT_BYTES])
{
    size_t i = 0;
    while (i < tally->kinds && strcmp(tally->words[i], words) != 0)
        i++;
    if (i == HL_TALLY_KINDS)
        return;
    if (i == tally->kinds) {
        tally->count[tally->kinds++] = 0;
        memcpy(tally->words[i], words, strlen(words) + 1);
    }
    tally->count[i]++;
}

bool hl_tally_is_all(const struct hl_tally *tally, const char *words)
{
    return tally->kinds == 1 && strcmp(tally->words[0], words) == 0;
}

/* The first of those that came most often, and were not written. */
static size_t most_frequent(const struct hl_tally *tally)
{
    size_t found = 0;
    for (size_t i = 1; i < tally->kinds; i++)
        if (tally->count[i] > tally->count[found])
            found = i;
    return found;
}

static size_t put(char *text, size_t used, uint64_t count, const char *words)
{
    return used + (size_t)snprintf(text + used, HL_TALLY_BYTES - used, "%s%" PRIu64 " %s",
                                   used ? "; " : "", count, words);
}

void hl_tally_write(struct hl_tally *tally, uint64_t all, char text[HL_TALLY_BYTES])
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < tally->kinds; i++) {
        size_t next = most_frequent(tally);
        size_t end = put(text, used, tally->count[next], tally->words[next]);
        if (end + REST_BYTES > HL_TALLY_BYTES)
            break;
        used = end;
        all -= tally->count[next];
        tally->count[next] = 0;
    }
    text[used] = '\0';
    if (all > 0)
        put(text, used, all, "other");
}
