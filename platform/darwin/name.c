/* platform/darwin/name.c - what this platform calls itself in lines and metrics. */
#include "../platform.h"

const char hl_plat_name[] = "macos";
const char hl_plat_preload_variable[] = "DYLD_INSERT_LIBRARIES";
const char hl_plat_preload_separators[] = ":";
