/* What `unloaded` loads and unloads. */
#include <heartline/scope.h>

void plugin_push(void);

__attribute__((visibility("default"))) void plugin_push(void)
{
    scope_push("label of a plugin");
}
