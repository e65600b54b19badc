/* Not linked with the library: loads it, starts the monitor, and unloads it again.
 *     loader PATH TIMES */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int count, char **arguments)
{
    struct timespec pause = {0, 300000000};
    if (count != 3)
        return 99;
    for (int i = 0; i < atoi(arguments[2]); i++) {
        void *library = dlopen(arguments[1], RTLD_NOW);
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            return 98;
        }
        int (*start)(void);
        *(void **)&start = dlsym(library, "monitor_start");
        if (start() != 0)
            return 97;
        dlclose(library);
    }
    nanosleep(&pause, NULL);
    return 0;
}
