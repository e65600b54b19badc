/* monitor_sample against the system's own figures. */
#include "log.h"

#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SAMPLES 5

static const char *nth_line(const struct log *log, const char *begin, size_t n)
{
    const char *line = log->facts;
    for (; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, begin, strlen(begin)) == 0 && n-- == 0)
            break;
    SAYS(log, line != NULL, "too few samples");
    return line + strlen(begin);
}

static json_t *nth_sample(const struct log *log, size_t n)
{
    const char *text = nth_line(log, "json ", n);
    json_t *json = json_loadb(text, strcspn(text, "\n"), JSON_REJECT_DUPLICATES, NULL);
    SAYS(log, json_is_object(json), "this is no JSON");
    return story_keep(json);
}

static json_t *find_thread(json_t *sample, long long tid)
{
    size_t i;
    json_t *thread;
    json_array_foreach(json_object_get(sample, "threads"), i, thread)
    {
        if (json_integer_value(json_object_get(thread, "tid")) == tid)
            return thread;
    }
    return NULL;
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

Test(sample, is_what_the_system_says)
{
    NEEDS_FIGURES;
    struct log *log = TELL(.args = {"sample", "500", "5"});
    ENDS_WITH(log, 0);
    double off[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) {
        long long wall, cpu;
        cr_assert_eq(sscanf(nth_line(log, "beside ", i), "%lld %lld", &wall, &cpu), 2);
        json_t *sample = nth_sample(log, i), *process = json_object_get(sample, "process");
        double percent = json_number_value(json_object_get(process, "cpu_percent"));
        off[i] = fabs(percent / (100.0 * (double)cpu / (double)wall) - 1);
        SAYS(log, json_integer_value(json_object_get(sample, "sample_window_ms")) >= 500, "window");
        SAYS(log, json_integer_value(json_object_get(process, "rss_kb")) > 100, "rss");
        SAYS(log, json_integer_value(json_object_get(process, "vm_size_kb")) > 1000, "vm");
        SAYS(log, json_is_integer(json_object_get(process, "uptime_secs")), "uptime");
        SAYS(log,
             strcmp(json_string_value(json_object_get(sample, "platform")), STORY_PLATFORM) == 0,
             "platform");
    }
    qsort(off, SAMPLES, sizeof *off, by_size);
    SAYS(log, off[SAMPLES / 2] <= 0.02, "off by %.1f %%", off[SAMPLES / 2] * 100);
}

Test(sample, shows_a_thread_born_inside_and_not_one_that_ended)
{
    NEEDS_FIGURES;
    struct log *log = TELL(.args = {"sample", "400", "1"});
    ENDS_WITH(log, 0);
    json_t *sample = nth_sample(log, 0);
    json_t *born = find_thread(sample, log_fact(log, "born", 0));
    SAYS(log, born != NULL, "the new thread is absent");
    double percent = json_number_value(json_object_get(born, "cpu_percent"));
    SAYS(log, percent > 1 && percent < 60, "the new thread shows %g %%", percent);
    SAYS(log, !find_thread(sample, log_fact(log, "gone", 0)), "a thread that has ended");
    json_t *threads = json_object_get(sample, "threads"), *spinner = NULL;
    for (size_t i = 0; i < json_array_size(threads); i++) {
        json_t *thread = json_array_get(threads, i);
        const char *name = json_string_value(json_object_get(thread, "name"));
        if (strcmp(name, "spin \"1\"\n") == 0)
            spinner = thread;
        if (i > 0)
            SAYS(log,
                 json_integer_value(json_object_get(thread, "tid")) >
                     json_integer_value(json_object_get(json_array_get(threads, i - 1), "tid")),
                 "not sorted");
    }
    SAYS(log, spinner != NULL, "the spinner's name");
}

Test(sample, of_no_time_at_all_is_finite)
{
    struct log *log = TELL(.args = {"sample", "0", "3"});
    ENDS_WITH(log, 0);
    for (size_t i = 0; i < 3; i++)
        nth_sample(log, i);
}

Test(sample, says_why_nothing_can_be_measured)
{
    if (HAS_FIGURES)
        cr_skip_test("this platform has figures");
    struct log *log = TELL(.args = {"sample", "10", "1"});
    ENDS_WITH(log, 0);
    json_t *sample = nth_sample(log, 0);
    SAYS(log, json_is_false(json_object_get(sample, "available")), "available");
    SAYS(log, json_is_string(json_object_get(sample, "reason")), "reason");
    SAYS(log, json_object_size(sample) == 3, "something else");
}
