/* Every scope macro once, inside code that does something. Compiled without
 * WITH_SCOPES, and with it under HEARTLINE_DISABLE, the object must be the same. */
#ifdef WITH_SCOPES
#include <heartline/scope.h>
#define WITH(statement) statement
#else
#define WITH(statement)
#endif

int work(int n, const char *name);

int work(int n, const char *name)
{
    int sum = 0;

    WITH(SCOPE("whole"));
    WITH(SCOPEF("item %d of %s", n, name));
    WITH(SCOPE_PROGRESS(done, "items", (unsigned)n));
    for (int i = 0; i < n; i++) {
        WITH(SCOPE(name));
        sum += name[i] * n;
        WITH(scope_progress_add(done, 1));
    }
    WITH(scope_progress_set(done, 1, 2));

    WITH(scope_push("plain"));
    WITH(scope_expect(500));
    sum ^= n;
    WITH(scope_pushf("%s", name));
    WITH(scope_pop());
    WITH(scope_pop());

    WITH(scope_wait("client"));
    WITH(scope_pop());
    {
        WITH(SCOPE_WAIT("idle"));
        sum++;
    }
    WITH(scope_progress counter = scope_push_progress("plain progress", 3));
    WITH(scope_progress_add(counter, 1));
    WITH(scope_pop());
    return sum;
}
