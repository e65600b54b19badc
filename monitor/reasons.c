/* See reasons.h. */
#include "reasons.h"

/* Keys as they are printed, and the figure that is behind each. */
static const struct {
    const char *name;
    enum hl_plat_key key;
} shown_keys[HL_SHOWN_KEYS] = {
    {"cpu", HL_PLAT_CPU},
    {"cores", HL_PLAT_CORES},
    {"rss", HL_PLAT_RSS},
    {"rss_limit", HL_PLAT_MEMORY},
    {"peak_rss", HL_PLAT_PEAK_RSS},
    {"vm", HL_PLAT_VM},
    {"threads", HL_PLAT_THREADS},
    {"read", HL_PLAT_IO},
    {"written", HL_PLAT_IO},
    {"busy", HL_PLAT_THREAD_LIST},
    {"thread_cpu", HL_PLAT_THREAD_CPU},
    {"state", HL_PLAT_THREAD_STATE},
    {"run_delay", HL_PLAT_RUN_DELAY},
    {"syscall", HL_PLAT_SYSCALL},
    {"wait", HL_PLAT_WAIT},
    {"wchan", HL_PLAT_CHANNEL},
    {"holder", HL_PLAT_HOLDER},
    {"stack", HL_PLAT_STACK},
};

static bool write_shown_key(struct hl_session *session, const char *key, const char *reason,
                            bool is_approximate)
{
    struct hl_line_head head = hl_say_head(session);
    if (is_approximate)
        hl_report_note(
            &session->line, &head,
            &(struct hl_note_event){.flag = "approximate", .key = key, .reason = reason});
    else
        hl_report_unavailable(&session->line, &head, &(struct hl_unavailable_event){key, reason});
    return hl_say_line(session, MONITOR_INFO);
}

/* Once per key, and again when the reason changes. */
static void say_about(struct hl_session *session, enum hl_plat_key key, const char *reason,
                      bool is_approximate)
{
    for (size_t i = 0; i < HL_SHOWN_KEYS; i++)
        if (shown_keys[i].key == key && session->said[i] != reason &&
            write_shown_key(session, shown_keys[i].name, reason, is_approximate))
            session->said[i] = reason;
}

static void say_unavailable(struct hl_session *session, enum hl_plat_key key, const char *reason)
{
    say_about(session, key, reason, false);
}

void hl_reasons_missing(struct hl_session *session, enum hl_plat_key key)
{
    say_unavailable(session, key, hl_plat_why(session->plat, key));
}

static const char leapt[] = "the system's counter leapt";

/* A thread that has just gone is no reason to say so: our own never has. */
static void say_why_no_thread_cpu(struct hl_session *session)
{
    uint64_t cpu_ns;
    if (!hl_plat_thread_cpu(session->plat, session->tid, &cpu_ns))
        hl_reasons_missing(session, HL_PLAT_THREAD_CPU);
    else if (!session->threads.known)
        say_unavailable(session, HL_PLAT_THREAD_CPU,
                        hl_plat_why(session->plat, HL_PLAT_THREAD_LIST));
    else if (session->threads.leapt)
        say_unavailable(session, HL_PLAT_THREAD_CPU, leapt);
}

void hl_reasons_of_threads(struct hl_session *session, bool cpu_unknown, bool state_unknown)
{
    struct hl_plat_thread_state state;
    if (cpu_unknown)
        say_why_no_thread_cpu(session);
    if (state_unknown && !hl_plat_thread_state(session->plat, session->tid, &state))
        hl_reasons_missing(session, HL_PLAT_THREAD_STATE);
}

/* It may be unknown of one stall and known on this system. */
static void say_why_no_run_delay(struct hl_session *session)
{
    struct hl_plat_thread_state state;
    if (hl_plat_thread_state(session->plat, session->tid, &state) && !state.times_known)
        hl_reasons_missing(session, HL_PLAT_RUN_DELAY);
}

void hl_reasons_of_waits(struct hl_session *session, bool call_unknown, bool wait_unknown)
{
    if (call_unknown)
        hl_reasons_missing(session, HL_PLAT_SYSCALL);
    if (wait_unknown)
        hl_reasons_missing(session, HL_PLAT_WAIT);
}

/* What is being learnt will be known at the next look. */
void hl_reasons_of_deadlocks(struct hl_session *session, const char *why)
{
    if (why && !hl_plat_is_learning())
        say_unavailable(session, HL_PLAT_HOLDER, why);
}

/* Where not even the state is known, nothing else is, and for the same reason. */
void hl_reasons_of_stall(struct hl_session *session, const struct hl_evidence_view *view)
{
    bool is_seen = view->state;
    hl_reasons_of_threads(session, view->cpu_milli == HL_UNKNOWN, !is_seen);
    if (view->run_delay_milli == HL_UNKNOWN)
        say_why_no_run_delay(session);
    hl_reasons_of_waits(session, is_seen && view->call_unknown,
                        is_seen && view->wait_unknown && !view->call_unknown);
    if (is_seen && view->channel_unknown)
        hl_reasons_missing(session, HL_PLAT_CHANNEL);
    if (view->holder_is == HL_HOLDER_UNKNOWN)
        say_unavailable(session, HL_PLAT_HOLDER, view->holder_why);
}

/* A thread that has just gone is no reason to complain here either. */
void hl_reasons_of_no_stack(struct hl_session *session, uint64_t tid)
{
    uint64_t cpu_ns;
    bool has_gone = !hl_plat_thread_cpu(session->plat, tid, &cpu_ns) &&
                    hl_plat_thread_cpu(session->plat, session->tid, &cpu_ns);
    if (hl_stacks_are_asked_for(&session->stacks) && !has_gone)
        hl_reasons_missing(session, HL_PLAT_STACK);
}

/* ---- of the process ------------------------------------------------------------------ */

/* A STALL may be missing then. */
static void say_what_memory_hides(struct hl_session *session)
{
    if (session->stalls.lacks_memory && !session->said_memory)
        session->said_memory = write_shown_key(session, "stalled", "out of memory", false);
}

void hl_reasons_at_beat(struct hl_session *session)
{
    static const enum hl_plat_key of_the_process[] = {
        HL_PLAT_CPU,      HL_PLAT_CORES, HL_PLAT_RSS,     HL_PLAT_MEMORY,
        HL_PLAT_PEAK_RSS, HL_PLAT_VM,    HL_PLAT_THREADS, HL_PLAT_IO};
    uint32_t known = session->process.known | session->limits.known;
    for (size_t i = 0; i < sizeof of_the_process / sizeof of_the_process[0]; i++)
        if (!hl_is_known(known, of_the_process[i]))
            hl_reasons_missing(session, of_the_process[i]);
        else if (hl_is_known(session->process.approximate, of_the_process[i]))
            say_about(session, of_the_process[i], hl_plat_why(session->plat, of_the_process[i]),
                      true);
    if (session->window_cpu_ns == HL_UNKNOWN) /* nothing to count from */
        hl_reasons_missing(session, HL_PLAT_CPU);
    if (session->cpu_leapt)
        say_unavailable(session, HL_PLAT_CPU, leapt);
    if (!session->threads.known)
        hl_reasons_missing(session, HL_PLAT_THREAD_LIST);
    say_what_memory_hides(session);
}

/* What was known at the last heartbeat has no reason yet. */
void hl_reasons_at_stop(struct hl_session *session, const struct hl_plat_process *process,
                        uint64_t own_cpu_ns)
{
    if (own_cpu_ns == HL_UNKNOWN)
        hl_reasons_missing(session, HL_PLAT_THREAD_CPU);
    if (session->cpu_has_leapt)
        say_unavailable(session, HL_PLAT_CPU, leapt);
    else if (!hl_is_known(process->known, HL_PLAT_CPU) || session->cpu_at_start_ns == HL_UNKNOWN)
        hl_reasons_missing(session, HL_PLAT_CPU);
    if (!hl_is_known(process->known, HL_PLAT_PEAK_RSS))
        hl_reasons_missing(session, HL_PLAT_PEAK_RSS);
}
