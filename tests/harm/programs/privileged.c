/* Is given rights by its file (a copy of it is made setuid), starts a monitor with an
 * environment that its user wrote, and stops it. Linked statically: the loader of such
 * a program does not look for libraries beside it. */
#include "../patience.h"

#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <stdio.h>
#include <sys/auxv.h>

int main(void)
{
    printf("secure %lu\n", getauxval(AT_SECURE));
    fflush(stdout);
    scope_push("with more rights");
    int error = monitor_start();
    return error ? 1 : stop_at_last(monitor_stop) != 0;
}
