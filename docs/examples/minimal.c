/* The least that helps: start the monitor, and say what the program is doing.
 * Try it with HEARTLINE_INTERVAL=1s. */
#include <heartline/monitor.h>
#include <heartline/scope.h>
#include <unistd.h>

int main(void)
{
    monitor_start();
    SCOPE("wait for five seconds");
    sleep(5);
    return 0;
}
