/* inherited: what came through exec? 0 = descriptors 0 to 2 and the variables A and B
 * alone; +1 = another descriptor; +2 = another variable. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

extern char **environ;

int main(void)
{
    int flaws = 0;
    for (int i = 3; i < 1024; i++)
        if (fcntl(i, F_GETFD) >= 0) {
            fprintf(stderr, "inherited: descriptor %d\n", i);
            flaws |= 1;
        }
    for (char **variable = environ; *variable; variable++)
        if (strcmp(*variable, "A=1") != 0 && strcmp(*variable, "B=2") != 0) {
            fprintf(stderr, "inherited: variable %s\n", *variable);
            flaws |= 2;
        }
    return flaws;
}
