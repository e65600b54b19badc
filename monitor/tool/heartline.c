/* monitor/tool/heartline.c - the command-line tool: which command, and help. */
#include "tool.h"

#include "../encoding.h"

#include <heartline/monitor.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names come from arguments and from files: nothing of them may act on a terminal. */
static void put_plain(const char *text, FILE *to)
{
    char escaped[HL_ESCAPED_BYTES];
    size_t length = strlen(text);
    for (size_t at = 0, taken; at < length; at += taken) {
        size_t size = hl_escape(text + at, length - at, escaped, &taken);
        if (text[at] == '"')
            fputc('"', to);
        else
            fwrite(escaped, 1, size, to);
    }
}

void hl_tool_complain(const char *format, ...)
{
    static char text[32768]; /* some paths */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fputs("heartline: ", stderr);
    put_plain(text, stderr);
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
