/* platform/none/name.c - the words of a platform that knows nothing. */
#include "plat.h"

const char hl_plat_name[] = "none";
const char hl_plat_preload_variable[] = "LD_PRELOAD"; /* wherever programs are ELF */
const char hl_plat_preload_separators[] = ": ";
const char hl_plat_refusal[] = "not supported on this system";
