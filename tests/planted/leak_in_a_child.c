/* Planted: a child process leaks, and ends well. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char *volatile kept;

int main(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        kept = malloc(11);
        kept = NULL;
        exit(0);
    }
    (void)waitpid(child, &status, 0); /* whatever the child says: this one is well */
    return 0;
}
