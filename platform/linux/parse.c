/* platform/linux/parse.c - see parse.h.
 *
 * All of it moves a cursor through a buffer with a few small steps that either
 * succeed whole or fail; nothing here looks past `end`, and numbers are
 * checked before they can wrap.
 */
#include "parse.h"

#include <limits.h>
#include <string.h>

struct cursor {
    const char *at, *end;
};

static struct cursor over(const char *text, size_t size)
{
    if (size == 0)
        text = ""; /* C has no NULL + 0 */
    return (struct cursor){text, text + size};
}

static bool take_byte(struct cursor *cursor, char byte)
{
    if (cursor->at == cursor->end || *cursor->at != byte)
        return false;
    cursor->at++;
    return true;
}

static void skip_blanks(struct cursor *cursor)
{
    while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t'))
        cursor->at++;
}

static unsigned digit_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return (unsigned)(byte - '0');
    if (byte >= 'a' && byte <= 'f')
        return (unsigned)(byte - 'a') + 10;
    return UINT_MAX;
}

/* All digits at the cursor. Fails when there is none, when they say more than
 * 64 bits hold, and when they touch the end: they may have been cut there. */
static bool take_number(struct cursor *cursor, unsigned base, uint64_t *number)
{
    const char *at = cursor->at;
    uint64_t value = 0;

    for (; at < cursor->end && digit_of(*at) < base; at++) {
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit_of(*at), &value))
            return false;
    }
    if (at == cursor->at || at == cursor->end)
        return false;
    cursor->at = at;
    *number = value;
    return true;
}

/* The bytes up to `stop`, which is consumed and must be there. */
static bool take_until(struct cursor *cursor, char stop, struct hl_plat_piece *piece)
{
    size_t left = (size_t)(cursor->end - cursor->at);
    const char *found = left ? memchr(cursor->at, stop, left) : NULL;

    if (!found)
        return false;
    *piece = (struct hl_plat_piece){cursor->at, (size_t)(found - cursor->at)};
    cursor->at = found + 1;
    return true;
}

/* The rest of the line, without its end. */
static struct hl_plat_piece take_rest(struct cursor *cursor)
{
    struct hl_plat_piece rest;

    if (!take_until(cursor, '\n', &rest)) {
        rest = (struct hl_plat_piece){cursor->at, (size_t)(cursor->end - cursor->at)};
        cursor->at = cursor->end;
    }
    return rest;
}

bool hl_plat_piece_is(struct hl_plat_piece piece, const char *text)
{
    return piece.size == strlen(text) && memcmp(piece.text, text, piece.size) == 0;
}

static bool is_inside_character(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

void hl_plat_shorten(struct hl_plat_piece whole, char *text, size_t capacity)
{
    static const char gap[] = "\xE2\x80\xA6"; /* an ellipsis */
    size_t size = whole.size, gap_size = sizeof gap - 1;

    if (capacity == 0)
        return;
    if (size >= capacity && capacity <= gap_size)
        size = 0;
    if (size < capacity) {
        if (size > 0)
            memcpy(text, whole.text, size);
        text[size] = 0;
        return;
    }
    size_t head = (capacity - 1 - gap_size) / 2, tail = size - (capacity - 1 - gap_size - head);
    for (int i = 0; i < 3 && head > 0 && is_inside_character(whole.text[head]); i++)
        head--;
    for (int i = 0; i < 3 && tail < size && is_inside_character(whole.text[tail]); i++)
        tail++;
    memcpy(text, whole.text, head);
    memcpy(text + head, gap, gap_size);
    memcpy(text + head + gap_size, whole.text + tail, size - tail);
    text[head + gap_size + size - tail] = 0;
}

bool hl_plat_piece_lists(struct hl_plat_piece piece, const char *word)
{
    struct cursor cursor = over(piece.text, piece.size);
    struct hl_plat_piece one;

    while (take_until(&cursor, ',', &one))
        if (hl_plat_piece_is(one, word))
            return true;
    return hl_plat_piece_is(take_rest(&cursor), word);
}

/* The number after "NAME:" at the start of a line, HL_PLAT_UNKNOWN without one. */
static uint64_t labelled_number(struct hl_plat_piece line, const char *label)
{
    size_t length = strlen(label);
    struct cursor cursor = over(line.text, line.size);
    uint64_t number;

    if (line.size < length || memcmp(line.text, label, length) != 0)
        return HL_PLAT_UNKNOWN;
    cursor.at += length;
    skip_blanks(&cursor);
    return take_number(&cursor, 10, &number) ? number : HL_PLAT_UNKNOWN;
}

/* As above for "NAME:   12 kB", in bytes. */
static uint64_t labelled_kib(struct hl_plat_piece line, const char *label)
{
    uint64_t number = labelled_number(line, label);
    bool has_unit = line.size > 4 && memcmp(line.text + line.size - 4, " kB\n", 4) == 0;

    if (number == HL_PLAT_UNKNOWN || !has_unit || number > (UINT64_MAX - 1) / 1024)
        return HL_PLAT_UNKNOWN;
    return number * 1024;
}

static void fill(uint64_t *field, uint64_t value)
{
    if (*field == HL_PLAT_UNKNOWN)
        *field = value;
}

/* "VmRSS:" and its like differ in the third letter. */
static void take_memory_line(struct hl_plat_piece line, struct hl_plat_status *status)
{
    switch (line.size > 2 ? line.text[2] : 0) {
    case 'R':
        fill(&status->rss_bytes, labelled_kib(line, "VmRSS:"));
        break;
    case 'H':
        fill(&status->peak_rss_bytes, labelled_kib(line, "VmHWM:"));
        break;
    case 'S':
        fill(&status->vm_bytes, labelled_kib(line, "VmSize:"));
        break;
    default:
        break;
    }
}

/* Read at every heartbeat, and most of its sixty lines are for others: a letter
 * or two are enough to pass them by, and many come after all that is wanted. */
static void take_status_line(struct hl_plat_piece line, struct hl_plat_status *status)
{
    switch (line.text[0]) {
    case 'V':
        take_memory_line(line, status);
        break;
    case 'T':
        fill(&status->threads, labelled_number(line, "Threads:"));
        fill(&status->tracer, labelled_number(line, "TracerPid:"));
        break;
    case 'F':
        fill(&status->descriptors, labelled_number(line, "FDSize:"));
        break;
    default:
        break;
    }
}

static bool is_whole(const struct hl_plat_status *status)
{
    return status->rss_bytes != HL_PLAT_UNKNOWN && status->peak_rss_bytes != HL_PLAT_UNKNOWN &&
           status->vm_bytes != HL_PLAT_UNKNOWN && status->threads != HL_PLAT_UNKNOWN &&
           status->tracer != HL_PLAT_UNKNOWN && status->descriptors != HL_PLAT_UNKNOWN;
}

void hl_plat_parse_status(const char *text, size_t size, struct hl_plat_status *status)
{
    struct cursor cursor = over(text, size);
    struct hl_plat_piece line;

    *status = (struct hl_plat_status){HL_PLAT_UNKNOWN, HL_PLAT_UNKNOWN, HL_PLAT_UNKNOWN,
                                      HL_PLAT_UNKNOWN, HL_PLAT_UNKNOWN, HL_PLAT_UNKNOWN};
    while (take_until(&cursor, '\n', &line)) {
        line.size++; /* its end stays with it: a number must be followed by something */
        take_status_line(line, status);
        if (line.text[0] == 'T' && is_whole(status))
            return;
    }
}

uint64_t hl_plat_parse_sleeps(const char *text, size_t size)
{
    struct cursor cursor = over(text, size);
    struct hl_plat_piece line;
    uint64_t sleeps = HL_PLAT_UNKNOWN;

    while (take_until(&cursor, '\n', &line)) {
        line.size++;
        fill(&sleeps, labelled_number(line, "voluntary_ctxt_switches:"));
    }
    return sleeps;
}

static bool is_letter(char byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/* "12 (name) S 1 ...": the name may contain ") (", so it ends at the last bracket: proc(5).
 * What follows that; where the text begins when there is none. */
static const char *after_name(struct cursor text)
{
    while (text.end > text.at && text.end[-1] != ')')
        text.end--;
    return text.end;
}

/* Newer kernels escape a line feed and a backslash, all others are as they are. */
bool hl_plat_parse_stat_name(const char *text, size_t size, struct hl_plat_piece *name)
{
    struct cursor all = over(text, size);
    const char *end = after_name(all), *begin = memchr(all.at, '(', (size_t)(end - all.at));

    if (!begin)
        return false;
    *name = (struct hl_plat_piece){begin + 1, (size_t)(end - begin) - 2};
    return !memchr(name->text, '\\', name->size);
}

void hl_plat_parse_stat(const char *text, size_t size, char *state, uint64_t *start_ticks)
{
    struct cursor cursor = over(text, size);
    struct hl_plat_piece field;
    const char *begin = cursor.at;

    *state = 0;
    *start_ticks = HL_PLAT_UNKNOWN;
    cursor.at = after_name(cursor);
    if (cursor.at == begin || !take_byte(&cursor, ' ') || !take_until(&cursor, ' ', &field) ||
        field.size != 1 || !is_letter(field.text[0]))
        return;
    *state = field.text[0];
    for (int skipped = 4; skipped < 22; skipped++)
        if (!take_until(&cursor, ' ', &field) || field.size == 0)
            return;
    take_number(&cursor, 10, start_ticks); /* leaves it alone where it fails */
}

bool hl_plat_parse_schedstat(const char *text, size_t size, struct hl_plat_schedstat *schedstat)
{
    struct cursor cursor = over(text, size);

    return take_number(&cursor, 10, &schedstat->on_core_ns) && take_byte(&cursor, ' ') &&
           take_number(&cursor, 10, &schedstat->run_delay_ns) && take_byte(&cursor, ' ') &&
           take_number(&cursor, 10, &schedstat->switches);
}

static bool take_hex(struct cursor *cursor, uint64_t *number)
{
    return take_byte(cursor, ' ') && take_byte(cursor, '0') && take_byte(cursor, 'x') &&
           take_number(cursor, 16, number);
}

bool hl_plat_parse_syscall(const char *text, size_t size, struct hl_plat_call *call)
{
    struct cursor cursor = over(text, size);

    *call = (struct hl_plat_call){0};
    if (hl_plat_piece_is((struct hl_plat_piece){text, size}, "running\n")) {
        call->is_running = true;
        return true;
    }
    bool is_outside = take_byte(&cursor, '-');
    if (!take_number(&cursor, 10, &call->number) || (is_outside && call->number != 1))
        return false;
    call->is_in_call = !is_outside;
    for (int i = 0; i < 6 && call->is_in_call; i++)
        if (!take_hex(&cursor, &call->arguments[i]))
            return false;
    return take_hex(&cursor, &call->sp) && take_hex(&cursor, &call->pc) && take_byte(&cursor, '\n');
}

bool hl_plat_parse_watched(const char *line, size_t size, uint64_t *descriptor)
{
    *descriptor = labelled_number((struct hl_plat_piece){line, size}, "tfd:");
    return *descriptor != HL_PLAT_UNKNOWN;
}

static bool starts_with(struct hl_plat_piece piece, const char *text)
{
    return piece.size >= strlen(text) && memcmp(piece.text, text, strlen(text)) == 0;
}

static struct hl_plat_piece without(struct hl_plat_piece piece, const char *start)
{
    return (struct hl_plat_piece){piece.text + strlen(start), piece.size - strlen(start)};
}

static bool is_terminal(struct hl_plat_piece path)
{
    static const char slaves[] = "/dev/pts/"; /* beside them is their master, /dev/pts/ptmx */

    if (starts_with(path, slaves))
        return path.size > strlen(slaves) && digit_of(path.text[strlen(slaves)]) < 10;
    return starts_with(path, "/dev/tty") || hl_plat_piece_is(path, "/dev/console");
}

/* "anon_inode:[eventfd]", and without brackets for some. */
static struct hl_plat_piece nameless(struct hl_plat_piece link)
{
    struct hl_plat_piece name = without(link, "anon_inode:");

    if (name.size > 2 && name.text[0] == '[' && name.text[name.size - 1] == ']')
        name = (struct hl_plat_piece){name.text + 1, name.size - 2};
    if (hl_plat_piece_is(name, "eventpoll"))
        name = (struct hl_plat_piece){"epoll", strlen("epoll")};
    return name;
}

enum hl_plat_link hl_plat_parse_link(const char *link, size_t size, struct hl_plat_piece *name)
{
    struct cursor cursor = over(link, size);

    *name = (struct hl_plat_piece){cursor.at, size};
    if (size > 0 && link[0] == '/')
        return is_terminal(*name) ? HL_PLAT_LINK_TERMINAL : HL_PLAT_LINK_PATH;
    if (starts_with(*name, "socket:[")) {
        name->size = 0;
        return HL_PLAT_LINK_SOCKET;
    }
    if (starts_with(*name, "anon_inode:"))
        *name = nameless(*name);
    else
        take_until(&cursor, ':', name); /* "pipe:[123]" */
    return HL_PLAT_LINK_NAMED;
}

bool hl_plat_parse_io(const char *text, size_t size, uint64_t *read_bytes, uint64_t *written_bytes)
{
    struct cursor cursor = over(text, size);
    struct hl_plat_piece line;

    *read_bytes = *written_bytes = HL_PLAT_UNKNOWN;
    while (take_until(&cursor, '\n', &line)) {
        line.size++;
        fill(read_bytes, labelled_number(line, "read_bytes:"));
        fill(written_bytes, labelled_number(line, "write_bytes:"));
    }
    return *read_bytes != HL_PLAT_UNKNOWN && *written_bytes != HL_PLAT_UNKNOWN;
}

bool hl_plat_parse_cgroup_line(const char *line, size_t size, struct hl_plat_cgroup *cgroup)
{
    struct cursor cursor = over(line, size);

    if (!take_number(&cursor, 10, &cgroup->hierarchy) || !take_byte(&cursor, ':') ||
        !take_until(&cursor, ':', &cgroup->controllers))
        return false;
    cgroup->path = take_rest(&cursor); /* may contain ':' */
    return cgroup->path.size > 0 && cgroup->path.text[0] == '/';
}

bool hl_plat_parse_mount_line(const char *line, size_t size, struct hl_plat_mount *mount)
{
    struct cursor cursor = over(line, size);
    struct hl_plat_piece skipped;

    /* id parent major:minor root point options [optional ...] - type source options */
    if (!take_until(&cursor, ' ', &skipped) || !take_until(&cursor, ' ', &skipped) ||
        !take_until(&cursor, ' ', &skipped) || !take_until(&cursor, ' ', &mount->root) ||
        !take_until(&cursor, ' ', &mount->point))
        return false;
    do
        if (!take_until(&cursor, ' ', &skipped))
            return false;
    while (!hl_plat_piece_is(skipped, "-"));
    if (!take_until(&cursor, ' ', &mount->type) || !take_until(&cursor, ' ', &skipped))
        return false;
    mount->options = take_rest(&cursor);
    return mount->root.size > 0 && mount->point.size > 0 && mount->point.text[0] == '/';
}

static bool is_octal(const char *at)
{
    return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' &&
           at[2] <= '7';
}

bool hl_plat_unescape(struct hl_plat_piece escaped, char *text, size_t capacity)
{
    size_t used = 0;

    for (size_t i = 0; i < escaped.size && used + 1 < capacity; used++) {
        const char *at = escaped.text + i;
        if (*at == '\\' && escaped.size - i >= 4 && is_octal(at + 1)) {
            text[used] = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
            i += 4;
        } else {
            text[used] = *at;
            i++;
        }
        if (i == escaped.size) {
            text[used + 1] = 0;
            return true;
        }
    }
    if (capacity > 0)
        text[0] = 0;
    return escaped.size == 0 && capacity > 0;
}

bool hl_plat_parse_cpu_max(const char *text, size_t size, uint64_t *quota, uint64_t *period)
{
    struct cursor cursor = over(text, size);

    return take_number(&cursor, 10, quota) && take_byte(&cursor, ' ') &&
           take_number(&cursor, 10, period) && *period > 0;
}

bool hl_plat_parse_throttled(const char *text, size_t size, uint64_t *throttled_ns)
{
    struct cursor cursor = over(text, size);
    struct hl_plat_piece line;
    uint64_t us = HL_PLAT_UNKNOWN, ns = HL_PLAT_UNKNOWN;

    while (take_until(&cursor, '\n', &line)) {
        line.size++;
        fill(&us, labelled_number(line, "throttled_usec "));
        fill(&ns, labelled_number(line, "throttled_time "));
    }
    if (ns == HL_PLAT_UNKNOWN && us < HL_PLAT_UNKNOWN / 1000)
        ns = us * 1000;
    *throttled_ns = ns;
    return ns != HL_PLAT_UNKNOWN;
}

bool hl_plat_parse_number(const char *text, size_t size, uint64_t *number)
{
    struct cursor cursor = over(text, size);

    return take_number(&cursor, 10, number) && take_byte(&cursor, '\n');
}

bool hl_plat_parse_highest(const char *text, size_t size, uint64_t *highest)
{
    struct cursor cursor = over(text, size);

    while (take_number(&cursor, 10, highest))
        if (take_byte(&cursor, '\n'))
            return true;
        else if (!take_byte(&cursor, '-') && !take_byte(&cursor, ','))
            return false;
    return false;
}

bool hl_plat_parse_mapping(const char *line, size_t size, struct hl_plat_mapping *mapping)
{
    struct cursor cursor = over(line, size);
    struct hl_plat_piece access, skipped, path;
    uint64_t low, high;

    /* low-high rwxp offset device inode   path */
    if (!take_number(&cursor, 16, &low) || !take_byte(&cursor, '-') ||
        !take_number(&cursor, 16, &high) || !take_byte(&cursor, ' ') ||
        !take_until(&cursor, ' ', &access) || access.size < 4 ||
        !take_until(&cursor, ' ', &skipped) || !take_until(&cursor, ' ', &skipped))
        return false;
    if (low >= high || high > UINTPTR_MAX)
        return false;
    path = (struct hl_plat_piece){cursor.at, 0};
    if (take_until(&cursor, ' ', &skipped)) {
        skip_blanks(&cursor);
        path = take_rest(&cursor);
    }
    mapping->low = (uintptr_t)low;
    mapping->high = (uintptr_t)high;
    mapping->is_writable = access.text[1] == 'w';
    mapping->is_main_stack = hl_plat_piece_is(path, "[stack]");
    return true;
}

bool hl_plat_parse_tid(const char *name, size_t size, uint64_t *tid)
{
    uint64_t value = 0;

    if (size == 0 || size > 10)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(name[i] - '0');
    }
    *tid = value;
    return value > 0;
}
