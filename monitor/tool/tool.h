/* monitor/tool/tool.h - the command-line tool `heartline`: one file for each command. */
#ifndef HL_TOOL_H
#define HL_TOOL_H

#define HL_TOOL_USAGE 2 /* exit status of who called it wrongly */

/* What is wrong, on standard error, with the tool's name before it. */
void hl_tool_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* heartline run: arguments from its name on. Returns only when it could not. */
int hl_tool_run(int count, char **arguments);

#endif
