/* A user's program: includes every header, prints the library's version, and is monitored. */
#include <heartline/metrics.h>
#include <heartline/monitor.h>
#include <heartline/scope.h>
#include <stdio.h>

int main(void)
{
    monitor_metrics metrics;

    if (monitor_start() != 0)
        return 1;
    SCOPE("say the version");
    printf("%s\n", monitor_version_string());
    if (monitor_sample(0, &metrics) != 0)
        return 2;
    monitor_metrics_release(&metrics);
    return monitor_version() == MONITOR_VERSION ? 0 : 3;
}
