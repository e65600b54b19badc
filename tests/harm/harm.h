/* tests/harm/harm.h - what every check of docs/do-no-harm.md is made of.
 *
 * A program here shows one or more of the checks in `table`, each under a name
 * of its own (the first argument). It says what it measured in one line
 * "figure: ...", each thing that was wrong on standard error, and ends with
 *
 *     0   passed
 *     1   failed
 *     77  cannot run on this machine; the line is "reason: ..." then
 *
 * Part of a check that cannot run here is a line "not run: WHAT (WHY)".
 * --short does the same with smaller counts, for ./dev check.
 */
#ifndef HARM_H
#define HARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of these is run; the list ends with a name of NULL. */
struct harm_check {
    const char *name;
    void (*run)(void);
};
int harm_main(int argc, char **argv, const struct harm_check *checks);

/* The count of a full run, or that of a short one. */
uint64_t harm_count(uint64_t full, uint64_t brief);
/* Something was not as promised: printed, and the check has failed. In any thread. */
void harm_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How often so far, for the end of a child: its parent does not see it. */
unsigned harm_wrongs(void);
/* Once in a check, at its end. */
void harm_figure(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Instead, for a check of several parts: one of them, and at the end all, with semicolons. */
void harm_part(const char *format, ...) __attribute__((format(printf, 1, 2)));
void harm_figure_of_parts(void);
void harm_not_run(const char *what, const char *why);
/* Ends the program: nothing of the check can run here. */
_Noreturn void harm_cannot_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the program where the machine or the check itself is at fault, as a failure. */
_Noreturn void harm_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Leaves them in order. */
double harm_median(double *values, size_t count);

/* ---- time, children, files ---- */

uint64_t harm_now_ns(void);
void harm_sleep_ms(uint64_t ms);

/* Waits so long for a child, and kills it then. The status as exit status; -N = it died of
 * signal N; HARM_HUNG = it had to be killed. */
#define HARM_HUNG (-1000)
int harm_wait(int pid, uint64_t at_most_ms);

/* A new empty folder, removed at the end of the program. */
const char *harm_folder(void);
/* FOLDER/NAME; valid until the program ends. */
const char *harm_path(const char *name);
/* The whole file with a terminator, to be freed; NULL: there is none. */
char *harm_read(const char *path, size_t *size);
/* How many files or folders there are in this one, hidden ones aside. */
unsigned harm_entries(const char *path);
/* How many lines have this in them. */
size_t harm_lines_with(const char *text, const char *piece);

#endif
