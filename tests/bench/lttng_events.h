/* tests/bench/lttng_events.h - our tracepoints, in the form that LTTng-UST asks for: its headers
 * read this file several times, each time with other macros. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER heartline_bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "lttng_events.h"

#if !defined(LTTNG_EVENTS_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define LTTNG_EVENTS_H

#include <lttng/tracepoint.h>

/* clang-format off */
LTTNG_UST_TRACEPOINT_EVENT_CLASS(heartline_bench, begin,
    LTTNG_UST_TP_ARGS(const char *, label),
    LTTNG_UST_TP_FIELDS(lttng_ust_field_string(label, label)))
LTTNG_UST_TRACEPOINT_EVENT_CLASS(heartline_bench, end,
    LTTNG_UST_TP_ARGS(),
    LTTNG_UST_TP_FIELDS())

LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(heartline_bench, begin, heartline_bench, begin_off,
    LTTNG_UST_TP_ARGS(const char *, label))
LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(heartline_bench, end, heartline_bench, end_off,
    LTTNG_UST_TP_ARGS())
LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(heartline_bench, begin, heartline_bench, begin_on,
    LTTNG_UST_TP_ARGS(const char *, label))
LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(heartline_bench, end, heartline_bench, end_on,
    LTTNG_UST_TP_ARGS())
/* clang-format on */

#endif

#include <lttng/tracepoint-event.h>
