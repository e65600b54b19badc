/* platform/darwin/name.c - the words of a platform that is still to be written.
 *
 * All answers are those of platform/none until then.
 */
#include "../none/plat.h"

const char hl_plat_name[] = "macos";
const char hl_plat_refusal[] = "the macOS platform is not written yet";
