/* monitor/tool/heartline.c - the command-line tool: which command, and help. */
#include "tool.h"

#include <heartline/monitor.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void hl_tool_complain(const char *format, ...)
{
    va_list arguments;
    fputs("heartline: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

static int help(FILE *to)
{
    fputs("usage: heartline COMMAND ...\n"
          "\n"
          "  run PROGRAM ...   run a program, monitored: what it uses, and why it hangs\n"
          "  help              this text\n"
          "  version           the version of Heartline\n"
          "\n"
          "heartline run --help says more.\n",
          to);
    return ferror(to) ? 1 : 0;
}

static int version(void)
{
    return printf("heartline %s\n", monitor_version_string()) < 0;
}

static int is_one_of(const char *word, const char *one, const char *other)
{
    return strcmp(word, one) == 0 || strcmp(word, other) == 0;
}

int main(int count, char **arguments)
{
    if (count < 2) {
        help(stderr);
        return HL_TOOL_USAGE;
    }
    if (strcmp(arguments[1], "run") == 0)
        return hl_tool_run(count - 1, arguments + 1);
    if (is_one_of(arguments[1], "help", "--help"))
        return help(stdout);
    if (is_one_of(arguments[1], "version", "--version"))
        return version();
    hl_tool_complain("there is no command \"%s\"; heartline help shows those there are",
                     arguments[1]);
    return HL_TOOL_USAGE;
}
