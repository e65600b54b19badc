/* platform/none/figures.c - every figure, refused with a reason. */
#include "plat.h"

struct hl_plat *hl_plat_open(void)
{
    struct hl_plat *plat = hl_plat_map(sizeof *plat);

    if (plat)
        hl_plat_bell_open(&plat->bell);
    return plat;
}

void hl_plat_close(struct hl_plat *plat)
{
    if (!plat)
        return;
    hl_plat_bell_close(&plat->bell);
    hl_plat_unmap(plat, sizeof *plat);
}

void hl_plat_abandon_in_child(struct hl_plat *plat)
{
    hl_plat_close(plat); /* takes no lock and trusts no half-written entry, so it is the same */
}

const char *hl_plat_why(const struct hl_plat *plat, enum hl_plat_key key)
{
    (void)plat;
    (void)key;
    return hl_plat_refusal;
}

void hl_plat_process(struct hl_plat *plat, uint32_t wanted, struct hl_plat_process *process)
{
    (void)plat;
    (void)wanted;
    *process = (struct hl_plat_process){0};
}

void hl_plat_limits(struct hl_plat *plat, struct hl_plat_limits *limits)
{
    (void)plat;
    *limits = (struct hl_plat_limits){0};
}

uint64_t hl_plat_most_cores(struct hl_plat *plat)
{
    (void)plat;
    return HL_PLAT_MOST_CORES;
}

bool hl_plat_throttled(struct hl_plat *plat, uint64_t *throttled_ns)
{
    (void)plat;
    (void)throttled_ns;
    return false;
}

bool hl_plat_others(struct hl_plat *plat, struct hl_plat_others *others)
{
    (void)plat;
    (void)others;
    return false;
}

bool hl_plat_threads(struct hl_plat *plat, struct hl_plat_thread *threads, size_t capacity,
                     size_t *total)
{
    (void)plat;
    (void)threads;
    (void)capacity;
    *total = 0;
    return false;
}

bool hl_plat_threads_again(struct hl_plat *plat, struct hl_plat_thread *threads, size_t count)
{
    (void)plat;
    (void)threads;
    (void)count;
    return false;
}

bool hl_plat_thread_cpu(struct hl_plat *plat, uint64_t tid, uint64_t *cpu_ns)
{
    (void)plat;
    (void)tid;
    (void)cpu_ns;
    return false;
}

void hl_plat_program_name(struct hl_plat *plat, char name[HL_PLAT_NAME_BYTES])
{
    (void)plat;
    name[0] = 0;
}

bool hl_plat_thread_name(struct hl_plat *plat, uint64_t tid, char name[HL_PLAT_NAME_BYTES])
{
    (void)plat;
    (void)tid;
    name[0] = 0;
    return false;
}

void hl_plat_thread_glance(struct hl_plat *plat, uint64_t tid, char name[HL_PLAT_NAME_BYTES],
                           char *state, uint64_t *age_ns)
{
    (void)plat;
    (void)tid;
    name[0] = *state = 0;
    *age_ns = 0;
}

bool hl_plat_thread_state(struct hl_plat *plat, uint64_t tid, struct hl_plat_thread_state *state)
{
    (void)plat;
    (void)tid;
    *state = (struct hl_plat_thread_state){0};
    return false;
}

bool hl_plat_thread_sleeps(struct hl_plat *plat, uint64_t tid, uint64_t *sleeps)
{
    (void)plat;
    (void)tid;
    (void)sleeps;
    return false;
}

bool hl_plat_look(struct hl_plat *plat, uint64_t tid, struct hl_plat_look *look)
{
    (void)plat;
    (void)tid;
    *look = (struct hl_plat_look){.descriptor = -1};
    return false;
}

uint64_t hl_plat_waits_for(struct hl_plat *plat, uint64_t tid)
{
    (void)plat;
    (void)tid;
    return HL_PLAT_SOMEBODY;
}

bool hl_plat_thread_frames(struct hl_plat *plat, uint64_t tid, bool may_interrupt,
                           struct hl_plat_frames *frames)
{
    (void)plat, (void)tid, (void)may_interrupt;
    *frames = (struct hl_plat_frames){0};
    return false;
}

bool hl_plat_place_of(struct hl_plat *plat, uintptr_t address, char module[HL_PLAT_MODULE_BYTES],
                      uint64_t *offset)
{
    (void)plat, (void)address;
    module[0] = 0;
    *offset = 0;
    return false;
}

void hl_plat_learn(void) {}

bool hl_plat_is_learning(void)
{
    return false;
}
