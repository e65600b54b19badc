/* tests/unit/test_ticket.c - what `heartline run` tells the library, written and read again. */
#include "../../monitor/config.h"
#include "../../monitor/ticket.h"
#include "../doubles/scripted_platform.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US 4242
#define BEGUN 88123

static struct hl_ticket ticket;

static bool find(const char *text)
{
    scripted_setenv(HL_TICKET, text);
    ticket = (struct hl_ticket){0};
    return hl_ticket_find(&ticket);
}

static void be(uint64_t pid, uint64_t start)
{
    scripted.process_id = pid;
    scripted.process_start = start;
}

static struct hl_config *resolve(void)
{
    static struct hl_config config;
    monitor_options options;
    monitor_options_default(&options);
    cr_assert_eq(hl_config_resolve(&config, &options), 0);
    return &config;
}

Test(ticket, what_is_written_is_read)
{
    const struct hl_ticket written = {
        US, BEGUN, true, "liba.so:/b/lib.so", 17, "TAG=x\nLOG=/a b\n"};
    char text[256];
    int length = hl_ticket_write(text, sizeof text, &written);
    cr_assert_eq((size_t)length, strlen(text));
    cr_assert(find(text));
    cr_assert(ticket.pid == US && ticket.start == BEGUN && ticket.is_for_all);
    cr_assert_eq(ticket.preloaded_length, 17);
    cr_assert_eq(memcmp(ticket.preloaded, "liba.so:/b/lib.so", 17), 0);
    cr_assert_str_eq(ticket.settings, "TAG=x\nLOG=/a b\n");
}

Test(ticket, only_what_is_whole_is_understood)
{
    static const char *const good[] = {"1 4242 88123 first /l", "1 4242 88123 all /l:/m",
                                       "1 4242 88123 first /l\n", "1 0 0 first x\nTAG=y"};
    static const char *const bad[] = {
        "",
        " ",
        "1",
        "1 ",
        "1 4242",
        "1 4242 88123",
        "1 4242 88123 ",
        "1 4242 88123 first",
        "1 4242 88123 first ",
        "1 4242 88123 first \nTAG=x",
        "1 4242 88123 none /l",
        "1 4242 88123  first /l",
        "2 4242 88123 first /l",
        "x 4242 88123 first /l",
        "1 -1 88123 first /l",
        "1 4242 0x1 first /l",
        "1 99999999999999999999 88123 first /l",
        "1 4242 18446744073709551616 first /l",
        "11 4242 88123 first /l",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_expect(find(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(find(bad[i]), "%s", bad[i]);
    cr_expect_not(find(NULL));
}

Test(ticket, the_first_process_is_known_by_its_id_and_its_start)
{
    cr_assert(find("1 4242 88123 first /l"));
    be(US, BEGUN);
    cr_expect(hl_ticket_is_for_us(&ticket));
    be(US + 1, BEGUN);
    cr_expect_not(hl_ticket_is_for_us(&ticket));
    be(US, BEGUN + 1); /* its number, used again */
    cr_expect_not(hl_ticket_is_for_us(&ticket));
    cr_assert(find("1 4242 88123 all /l"));
    cr_expect(hl_ticket_is_for_us(&ticket));
}

Test(ticket, a_setting_is_found_by_its_whole_name)
{
    size_t length;
    cr_assert(find("1 4242 88123 first /l\nPHASE_LINES=3\nSTALL=9s\nTAG=a=b\nSTALL=8s"));
    const char *value = hl_ticket_setting(&ticket, "HEARTLINE_STALL", &length);
    cr_assert(value && length == 2 && memcmp(value, "9s", 2) == 0, "the first one counts");
    value = hl_ticket_setting(&ticket, "HEARTLINE_TAG", &length);
    cr_assert(value && length == 3 && memcmp(value, "a=b", 3) == 0);
    cr_expect_null(hl_ticket_setting(&ticket, "HEARTLINE_LINES", &length));
    cr_expect_null(hl_ticket_setting(&ticket, "HEARTLINE_STALL_LINES", &length));
    cr_expect_null(hl_ticket_setting(&ticket, "HEARTLINE", &length));
}

Test(ticket, its_settings_stand_above_the_environments)
{
    be(US, BEGUN);
    scripted_setenv("HEARTLINE_INTERVAL", "5s");
    scripted_setenv("HEARTLINE_STALL", "6s");
    scripted_setenv(HL_TICKET, "1 4242 88123 first /l\nINTERVAL=7s\nTAG=t\nLOG=/x/y\n");
    const struct hl_config *config = resolve();
    cr_expect_eq(config->options.interval_ms, 7000);
    cr_expect_eq(config->options.stall_ms, 6000);
    cr_expect_str_eq(config->options.tag, "t");
    cr_expect_str_eq(config->options.log_path, "/x/y");
    cr_expect(config->log_from_env);
    cr_expect_eq(config->options.fork, MONITOR_FORK_OFF);
    scripted_setenv(HL_TICKET, "1 4242 88123 all /l");
    cr_expect_eq(resolve()->options.fork, MONITOR_FORK_RESTART);
}

Test(ticket, it_says_nothing_to_other_processes_and_where_the_environment_is_not_trusted)
{
    be(US + 1, BEGUN);
    scripted_setenv(HL_TICKET, "1 4242 88123 first /l\nINTERVAL=7s\n");
    cr_expect_eq(resolve()->options.interval_ms, 60000);
    be(US, BEGUN);
    scripted.env_untrusted = true;
    cr_expect_eq(resolve()->options.interval_ms, 60000);
    cr_expect_not(hl_ticket_find(&ticket));
}

Test(ticket, a_value_in_it_that_is_not_understood_is_noted)
{
    be(US, BEGUN);
    scripted_setenv(HL_TICKET, "1 4242 88123 first /l\nINTERVAL=banana\nTAG=t\n");
    const struct hl_config *config = resolve();
    cr_expect_eq(config->options.interval_ms, 60000);
    cr_expect_str_eq(config->options.tag, "t");
    cr_assert_eq(config->bad_count, 1);
    cr_expect_str_eq(config->bad[0].value, "banana");
}

/* Each of these lines is on a screen of 80 columns, with the option and its preset. */
Test(ticket, each_option_has_a_brief_text)
{
    for (size_t i = 0; i < hl_settings_count; i++)
        if (hl_settings[i].name && strcmp(hl_settings[i].name, "fork") != 0)
            cr_expect(hl_settings[i].brief && strlen(hl_settings[i].brief) <= 48, "%s",
                      hl_settings[i].variable);
}
