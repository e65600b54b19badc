/* tests/unit/test_configuration_doc.c - docs/configuration.md says what the table says. */
#include "../../monitor/config.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#ifndef HL_SOURCE_ROOT
#define HL_SOURCE_ROOT TEST_DATA "/../.."
#endif

static char document[65536];

static void read_document(void)
{
    FILE *file = fopen(HL_SOURCE_ROOT "/docs/configuration.md", "r");
    cr_assert_not_null(file, "no docs/configuration.md");
    size_t size = fread(document, 1, sizeof document - 1, file);
    fclose(file);
    cr_assert_lt(size, sizeof document - 1);
}

/* The table's row for a setting, exactly. */
static void write_row(const struct hl_setting *setting, char *row, size_t size)
{
    monitor_options options;
    char value[64], name[64] = "";
    monitor_options_default(&options);
    hl_config_show(setting, &options, value, sizeof value);
    if (setting->name != NULL)
        snprintf(name, sizeof name, "`%s` ", setting->name);
    snprintf(row, size, "\n| %s| `%s` | `%s` | %s | %s |\n", name, setting->variable, value,
             setting->accepted, setting->help);
}

Test(configuration_doc, each_setting_stands_there_with_variable_default_range_and_meaning)
{
    char row[1024];
    read_document();
    for (size_t i = 0; i < hl_settings_count; i++) {
        write_row(&hl_settings[i], row, sizeof row);
        cr_expect_not_null(strstr(document, row), "docs/configuration.md lacks this row:%s", row);
    }
}

Test(configuration_doc, no_variable_stands_there_that_does_not_exist)
{
    read_document();
    for (const char *at = document; (at = strstr(at, "HEARTLINE")) != NULL;) {
        size_t length = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), known = 0;
        for (size_t i = 0; i < hl_settings_count; i++)
            known += strlen(hl_settings[i].variable) == length &&
                     strncmp(hl_settings[i].variable, at, length) == 0;
        cr_expect_eq(known, 1, "%.*s", (int)length, at);
        at += length;
    }
}
