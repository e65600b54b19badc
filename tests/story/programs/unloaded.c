/* Its scopes outlive their labels: one is freed, one unmapped, one (and the name of the
 * function that pushed it) goes with the plugin that it was in.
 *     unloaded PLUGIN */
#define _GNU_SOURCE
#include <heartline/monitor.h>
#include <heartline/scope.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* By name: something else may be mapped at its address by now. */
static int is_loaded(const char *path)
{
    void *plugin = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    if (plugin)
        dlclose(plugin);
    return plugin != NULL;
}

static void push_from_heap(void)
{
    char *label = strdup("label on the heap");
    scope_push(label);
    memset(label, '!', strlen(label));
    free(label);
}

static void push_from_page(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(page, "label in a page");
    scope_push(page);
    munmap(page, size);
}

static int push_from_plugin(const char *path)
{
    void (*push)(void);
    void *plugin = dlopen(path, RTLD_NOW);
    if (!plugin) {
        fprintf(stderr, "%s\n", dlerror());
        return 98;
    }
    *(void **)&push = dlsym(plugin, "plugin_push");
    push();
    dlclose(plugin);
    printf("loaded %d\n", is_loaded(path));
    return 0;
}

int main(int count, char **arguments)
{
    struct timespec pause = {0, 300000000};
    if (count != 2 || monitor_start() != 0)
        return 99;
    push_from_heap();
    push_from_page();
    int error = push_from_plugin(arguments[1]);
    if (error)
        return error;
    nanosleep(&pause, NULL);
    scope_pop();
    scope_pop();
    scope_pop();
    nanosleep(&pause, NULL);
    return 0;
}
